//! Files with holes, as GNU tar stores them.
//!
//! ```text
//!   file      [data 0..4096][        hole        ][data 1M..1M+512][ hole to the real size ]
//!   archive   map: (0, 4096) (1M, 512)   data: 4096 + 512 bytes, one after the other
//!
//!   old GNU   type S: four map entries in the header, 21 in each block that follows it
//!   pax 0.1   GNU.sparse.map = "0,4096,1048576,512"
//!   pax 1.0   GNU.sparse.major = 1: the map is text at the head of the data, padded to 512
//! ```
//!
//! The map is checked once, whatever its spelling: in order, without overlap, inside the real size, and its lengths sum up
//! to exactly the data that is there. (pax 0.0 spreads the map over repeated records that POSIX forbids; it is refused.)

use std::io::BufRead;

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::archive::{Archive, BLOCK, Input, Kind, fill, refuse};
use super::limits;
use super::pax::digits;
use crate::error::Error;

/// A stretch of data in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(super) offset: u64,
    pub(super) length: u64,
}

type Map = (u64, Vec<Segment>);

/// The file, if the map is sound and describes exactly `stored` bytes of data.
pub(super) fn file(size: u64, segments: Vec<Segment>, stored: u64) -> Result<Kind, Error> {
    let mut end = 0;
    let mut data: u64 = 0;
    for segment in &segments {
        let next = segment.offset.checked_add(segment.length).filter(|next| segment.offset >= end && *next <= size);
        end = next.ok_or_else(bad)?;
        // No overflow: the segments do not overlap, so their sum is at most `size`.
        data += segment.length;
    }
    if data != stored || size > i64::MAX as u64 {
        return Err(bad());
    }
    Ok(Kind::File { size, segments: Some(segments) })
}

/// Old GNU: the map in the header and in the blocks behind it.
pub(super) fn from_header(header: &Header, input: &mut impl BufRead) -> Result<Map, Error> {
    let gnu = header.as_gnu().ok_or_else(bad)?;
    let mut segments = Vec::new();
    add(&gnu.sparse, &mut segments)?;
    let mut more = gnu.is_extended();
    while more {
        let mut block = GnuExtSparseHeader::new();
        if fill(input, block.as_mut_bytes())? != BLOCK || segments.len() as u64 > limits::HEADER / 16 {
            return Err(bad());
        }
        add(block.sparse(), &mut segments)?;
        more = block.is_extended();
    }
    Ok((gnu.real_size().map_err(|_| bad())?, segments))
}

fn add(entries: &[GnuSparseHeader], segments: &mut Vec<Segment>) -> Result<(), Error> {
    for entry in entries.iter().filter(|entry| !entry.is_empty()) {
        let offset = entry.offset().map_err(|_| bad())?;
        let length = entry.length().map_err(|_| bad())?;
        segments.push(Segment { offset, length });
    }
    Ok(())
}

/// pax: the map in the records, or announced there and lying at the head of the data.
pub(super) fn from_pax<R: Input>(
    records: &[(Vec<u8>, Vec<u8>)],
    archive: &mut Archive<R>,
) -> Result<Option<Map>, Error> {
    let find = |key: &[u8]| records.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_slice());
    let size = || find(b"realsize").or(find(b"size")).and_then(digits).ok_or_else(bad);
    match (find(b"major"), find(b"map")) {
        (Some(b"1"), _) => Ok(Some((size()?, from_data(archive)?))),
        (_, Some(map)) => {
            let numbers = map.split(|b| *b == b',').map(digits).collect::<Option<Vec<u64>>>().ok_or_else(bad)?;
            Ok(Some((size()?, pairs(&numbers)?)))
        }
        _ if records.is_empty() => Ok(None),
        _ => refuse(
            "it stores a file with holes in a form that is not understood: pack it with tar --sparse-version=1.0",
        ),
    }
}

/// pax 1.0: a count, then offset and length of each, each number on a line of its own; padded to a block.
fn from_data<R: Input>(archive: &mut Archive<R>) -> Result<Vec<Segment>, Error> {
    let mut text = archive.take(BLOCK as u64)?;
    let end = text.iter().position(|byte| *byte == b'\n').ok_or_else(bad)?;
    let count = digits(&text[..end]).filter(|count| *count <= limits::HEADER).ok_or_else(bad)?;
    // The count itself, and then two numbers for each segment. Newlines are counted once each: an enemy's map is long.
    let mut newlines = count_newlines(&text);
    while newlines < 2 * count + 1 {
        if text.len() as u64 > limits::HEADER {
            return Err(bad());
        }
        let more = archive.take(BLOCK as u64)?;
        newlines += count_newlines(&more);
        text.extend(more);
    }
    let lines = lines(&text);
    let numbers = lines.iter().skip(1).take(2 * count as usize).map(|line| digits(line));
    pairs(&numbers.collect::<Option<Vec<u64>>>().ok_or_else(bad)?)
}

fn count_newlines(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Lines that end in a newline; the padding behind the last is none.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    lines.pop();
    lines
}

fn pairs(numbers: &[u64]) -> Result<Vec<Segment>, Error> {
    let pairs = numbers.chunks(2).map(|pair| match pair {
        [offset, length] => Ok(Segment { offset: *offset, length: *length }),
        _ => Err(bad()),
    });
    pairs.collect()
}

fn bad() -> Error {
    Error::Archive("the map of a file with holes is damaged".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(pairs: &[(u64, u64)]) -> Vec<Segment> {
        pairs.iter().map(|(offset, length)| Segment { offset: *offset, length: *length }).collect()
    }

    #[test]
    fn pure_a_map_must_be_in_order_inside_and_complete() {
        assert!(file(100, segments(&[(0, 10), (50, 50)]), 60).is_ok());
        assert!(file(100, segments(&[(100, 0)]), 0).is_ok());
        for (map, stored) in
            [(&[(0, 10), (5, 10)][..], 20), (&[(90, 20)], 20), (&[(u64::MAX, 2)], 2), (&[(0, 10)], 9), (&[(0, 10)], 11)]
        {
            assert!(file(100, segments(map), stored).is_err(), "{map:?}");
        }
        assert!(file(u64::MAX, segments(&[]), 0).is_err());
    }
}
