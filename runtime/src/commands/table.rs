//! Tables as Docker prints them: columns as wide as their widest cell and at least seven letters, three blanks apart.
//!
//! ```text
//! NAMES     STATUS
//! web       Up 2 minutes
//! ```

use std::fmt;

/// The least width of a column, of which the last has none.
const NARROWEST: usize = 7;

/// Rows of cells; the first one is the heading.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn width(&self, column: usize) -> usize {
        let widths = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        widths.max().unwrap_or(0).max(NARROWEST)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let last = row.len().saturating_sub(1);
            for (column, cell) in row.iter().enumerate() {
                if column == last {
                    writeln!(f, "{cell}")?;
                } else {
                    write!(f, "{cell:width$}   ", width = self.width(column))?;
                }
            }
        }
        Ok(())
    }
}

/// `About a minute`, `3 hours`: how long ago, in the words of Docker's tables.
pub fn ago(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        ..1 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".into(),
        120..3600 => format!("{minutes} minutes"),
        3600..5400 => "About an hour".into(),
        5400..172_800 => format!("{hours} hours"),
        172_800..1_209_600 => format!("{} days", hours / 24),
        1_209_600..5_184_000 => format!("{} weeks", hours / 24 / 7),
        5_184_000..63_072_000 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

/// Seconds since an RFC 3339 time; 0 when it cannot be read.
pub fn seconds_since(time: &str) -> i64 {
    let then = time.parse::<jiff::Timestamp>();
    then.map_or(0, |then| (jiff::Timestamp::now().as_second() - then.as_second()).max(0))
}

/// Bytes in powers of 1000 with three digits, as Docker's image list: `1.98MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 1000.0 && unit < UNITS.len() - 1 {
        number /= 1000.0;
        unit += 1;
    }
    let text = match number {
        _ if unit == 0 => format!("{number}"),
        n if n < 10.0 => format!("{n:.2}"),
        n if n < 100.0 => format!("{n:.1}"),
        n => format!("{n:.0}"),
    };
    text + UNITS[unit]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_in_docker_words() {
        for (seconds, words) in
            [(0, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (61, "About a minute"), (7200, "2 hours")]
        {
            assert_eq!(ago(seconds), words);
        }
        for (bytes, words) in [(0, "0B"), (999, "999B"), (1_980_000, "1.98MB"), (72_900_000, "72.9MB")] {
            assert_eq!(size(bytes), words);
        }
    }
}
