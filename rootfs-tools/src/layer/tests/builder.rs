//! Tar archives, header by header.

use std::os::unix::fs::MetadataExt;

use tar::Header;

/// An archive in the making.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

/// One header, with the defaults of a plain file of ours.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) mtime: u64,
    pub(crate) size: Option<u64>,
    pub(crate) owner: (u64, u64),
    pub(crate) device: Option<(u32, u32)>,
}

pub(crate) fn head(kind: u8, name: impl AsRef<[u8]>) -> Head {
    let name = name.as_ref().to_vec();
    let mode = if kind == b'5' { 0o755 } else { 0o644 };
    Head { kind, name, link: Vec::new(), mode, mtime: 1_700_000_000, size: None, owner: me(), device: None }
}

/// Our own ids, so that no test needs root to give files away.
pub(crate) fn me() -> (u64, u64) {
    let meta = tempfile::tempfile().unwrap().metadata().unwrap();
    (meta.uid().into(), meta.gid().into())
}

impl Tar {
    pub(crate) fn add(mut self, head: &Head, data: &[u8]) -> Tar {
        let mut header = Header::new_gnu();
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..head.name.len()].copy_from_slice(&head.name);
        fields.linkname[..head.link.len()].copy_from_slice(&head.link);
        fields.typeflag = [head.kind];
        header.set_mode(head.mode);
        header.set_uid(head.owner.0);
        header.set_gid(head.owner.1);
        header.set_mtime(head.mtime);
        header.set_size(head.size.unwrap_or(data.len() as u64));
        if let Some((major, minor)) = head.device {
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        }
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.data(data)
    }

    pub(crate) fn data(mut self, data: &[u8]) -> Tar {
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, data: &[u8]) -> Tar {
        self.add(&head(b'0', name), data)
    }

    pub(crate) fn dir(self, name: &str) -> Tar {
        self.add(&head(b'5', name), b"")
    }

    pub(crate) fn symlink(self, name: &str, target: impl AsRef<[u8]>) -> Tar {
        let link = target.as_ref().to_vec();
        self.add(&Head { link, ..head(b'2', name) }, b"")
    }

    pub(crate) fn hardlink(self, name: &str, target: &str) -> Tar {
        self.add(&Head { link: target.into(), ..head(b'1', name) }, b"")
    }

    /// A pax header for the entry that comes next.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Tar {
        let text: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.add(&head(b'x', "pax"), &text)
    }

    /// The archive with its end marker.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..).find(|length| *length == rest + length.to_string().len()).unwrap();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}
