//! Files of `--env-file` and `--label-file`: Docker's grammar.
//!
//! ```text
//! # a comment                NAME=value        the value is what stands behind the first =, blanks and quotes and all
//!    NAME=value              NAME              of an environment: the caller's value, or nothing; of labels: no value
//! ```

use std::path::Path;

use anyhow::{Result, anyhow, bail};

use crate::files;

/// The words of a file, in order: `NAME=value` or `NAME`. `what` is what the file is called in an error.
///
/// # Errors
/// Docker's sentences: no such file, a name with blanks, a line without a name, bytes that are not UTF-8.
pub fn read(what: &str, path: &Path) -> Result<Vec<String>> {
    let shown = path.display();
    let bytes = files::read_operand(path).map_err(|error| anyhow!("open {shown}: {}", reason(&error)))?;
    parse(&bytes).map_err(|error| anyhow!("invalid {what} file ({shown}): {error}"))
}

fn reason(error: &std::io::Error) -> String {
    let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_lowercase())
}

fn parse(bytes: &[u8]) -> Result<Vec<String>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut words = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let Ok(line) = str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) else {
            bail!("invalid utf8 bytes at line {}", index + 1);
        };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        if name.is_empty() {
            bail!("no variable name on line '{line}'");
        }
        if name.contains(char::is_whitespace) {
            bail!("variable '{name}' contains whitespaces");
        }
        words.push(line.to_owned());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_stands_behind_the_equals_sign() -> Result<()> {
        let text = b"\xef\xbb\xbfA=1\n\n  # no\n  B= two = 'words' # yes \r\nC\nD=";
        assert_eq!(parse(text)?, ["A=1", "B= two = 'words' # yes ", "C", "D="]);
        Ok(())
    }

    #[test]
    fn mistakes_are_named_as_docker_names_them() {
        for (text, sentence) in [
            (&b"A=1\nbad key=2"[..], "variable 'bad key' contains whitespaces"),
            (b"=3", "no variable name on line '=3'"),
            (b"A=1\nB=\xff", "invalid utf8 bytes at line 2"),
            (b"trailing ", "variable 'trailing ' contains whitespaces"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), sentence);
        }
        let sentence = read("env", Path::new("/nosuch")).unwrap_err().to_string();
        assert_eq!(sentence, "open /nosuch: no such file or directory");
    }
}
