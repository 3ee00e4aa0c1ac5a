//! References: how a person names an image.
//!
//! ```text
//!   reference   = name [":" tag] ["@" digest]
//!   name        = [domain "/"] component *("/" component)
//!   domain      = host [":" port]           only if it has a "." or ":", an upper-case letter, or is "localhost"
//!   component   = alnum *(separator alnum)  alnum [a-z0-9]+, separator "." | "_" | "__" | "-"+
//!   tag         = [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
//!
//!   typed            means                              shown
//!   busybox          docker.io/library/busybox:latest   busybox:latest
//!   me/tool:1        docker.io/me/tool:1                me/tool:1
//!   localhost:5000/x localhost:5000/x:latest            localhost:5000/x:latest
//! ```
//!
//! The grammar is that of the distribution project (reference/reference.go and its normal form), because people carry
//! names from registry to registry. Two spellings of one name are one reference.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::Error;

const DEFAULT_DOMAIN: &str = "docker.io";
const OFFICIAL: &str = "library/";
const MAX_NAME: usize = 255;

/// A reference in its normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The tag; "latest" if none was typed.
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// The digest after `@`, if one was typed.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The name without tag, as people type it: "busybox", "me/tool", "localhost:5000/x".
    pub fn repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return format!("{}/{}", self.domain, self.path);
        }
        // "library/a/b" is no official image and keeps its first component.
        match self.path.strip_prefix(OFFICIAL) {
            Some(official) if !official.contains('/') => official.into(),
            _ => self.path.clone(),
        }
    }

    /// The whole name, registry and tag included: "docker.io/library/busybox:latest".
    pub(crate) fn full(&self) -> String {
        format!("{}/{}:{}", self.domain, self.path, self.tag())
    }

    /// Whether it is a name alone, that may stand for all its tags.
    pub(crate) fn is_repository(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// The file name that stands for this reference in the store: the full form with `/` written as `%`, which no
    /// reference contains. An error if a file name cannot hold it.
    pub(crate) fn key(&self) -> Result<String, Error> {
        let key = self.full().replace('/', "%");
        if key.len() > MAX_NAME {
            return Err(self.to_string().invalid("name and tag together are longer than 255 bytes"));
        }
        Ok(key)
    }

    /// The reference that a file name of the store stands for.
    pub(crate) fn from_key(key: &str) -> Option<Reference> {
        key.replace('%', "/").parse().ok()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository(), self.tag())
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference, Error> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|why| text.invalid(why))?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(text.invalid("a tag has 1 to 128 letters, digits, _ . or -, and begins with no . or -"));
        }
        let (domain, path) = split_domain(name);
        check(domain, &path).map_err(|why| text.invalid(why))?;
        Ok(Reference { domain: domain.into(), path, tag: tag.map(Into::into), digest })
    }
}

/// Makes the error about this text.
trait Invalid {
    fn invalid(&self, why: &'static str) -> Error;
}

impl<T: AsRef<str> + ?Sized> Invalid for T {
    fn invalid(&self, why: &'static str) -> Error {
        Error::InvalidReference { reference: self.as_ref().into(), why }
    }
}

/// A colon behind the last slash begins the tag; before it, a port.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    }
}

fn split_domain(name: &str) -> (&str, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, path)) if is_domain_like(first) => (first, path),
        _ => (DEFAULT_DOMAIN, name),
    };
    // The old name of the same registry.
    let domain = if domain == "index.docker.io" { DEFAULT_DOMAIN } else { domain };
    if domain == DEFAULT_DOMAIN && !path.contains('/') {
        return (domain, format!("{OFFICIAL}{path}"));
    }
    (domain, path.into())
}

fn is_domain_like(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.contains(|c: char| c.is_ascii_uppercase())
}

fn check(domain: &str, path: &str) -> Result<(), &'static str> {
    if !is_domain(domain) {
        return Err("the registry is neither a host name nor host:port");
    }
    if path.contains(|c: char| c.is_ascii_uppercase()) {
        return Err("the name of a repository must be lower case");
    }
    if !path.split('/').all(is_component) {
        return Err("a name is made of a-z, 0-9 and single . _ - between them");
    }
    if domain.len() + 1 + path.len() > MAX_NAME {
        return Err("the name is longer than 255 bytes");
    }
    if Digest::from_hex(path.strip_prefix(OFFICIAL).unwrap_or(path)).is_some() {
        return Err("64 hex digits are an image's id, not a name");
    }
    Ok(())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    port.is_none_or(digits) && (is_ipv6(host) || host.split('.').all(is_label))
}

fn is_ipv6(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|inner| !inner.is_empty() && inner.bytes().all(|b| b == b':' || b.is_ascii_hexdigit()))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric())
}

/// Runs of letters and digits with one legal separator between each two.
fn is_component(component: &str) -> bool {
    let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let inner = bytes.first().is_some_and(alnum) && bytes.last().is_some_and(alnum);
    inner && bytes.split(alnum).all(is_separator)
}

fn is_separator(between: &[u8]) -> bool {
    matches!(between, b"" | b"." | b"_" | b"__") || between.iter().all(|b| *b == b'-')
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b == b'_' || b.is_ascii_alphanumeric();
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Reference>().map_or_else(|error| error.to_string(), |reference| reference.to_string())
    }

    #[test]
    fn pure_spellings_of_one_name_are_one_reference() {
        for text in ["busybox", "busybox:latest", "docker.io/busybox", "index.docker.io/library/busybox"] {
            assert_eq!(shown(text), "busybox:latest", "{text}");
        }
        assert_eq!(shown("me/tool:1.2-rc_3"), "me/tool:1.2-rc_3");
        assert_eq!(shown("localhost:5000/x"), "localhost:5000/x:latest");
        assert_eq!(shown("[fe80::1]:5000/x/y:t"), "[fe80::1]:5000/x/y:t");
        assert_eq!(shown("Quay/x"), "Quay/x:latest");
    }

    #[test]
    fn pure_bad_references_say_which_rule_they_break() {
        let bad = [
            ("", "a name is made"),
            ("Busybox", "lower case"),
            ("a//b", "a name is made"),
            ("a/../b", "a name is made"),
            ("-a", "a name is made"),
            ("a___b", "a name is made"),
            ("a:", "a tag has"),
            ("a:-x", "a tag has"),
            ("bad_host:5000/x", "the registry"),
            ("a@md5:12", "sha256"),
            ("a%b", "a name is made"),
        ];
        for (text, why) in bad {
            assert!(shown(text).starts_with("invalid reference format: "), "{text}");
            assert!(shown(text).contains(why), "{text}: {}", shown(text));
        }
        assert!(shown(&"a".repeat(64)).contains("id, not a name"));
        assert!(shown(&"x".repeat(300)).contains("longer than 255"));
        assert!(shown(&format!("a:{}", "t".repeat(129))).contains("a tag has"));
    }

    #[test]
    fn pure_keys_are_file_names_and_come_back() {
        for text in ["busybox", "localhost:5000/a/b:1", "me/tool", "library/a/b"] {
            let reference: Reference = text.parse().unwrap();
            let key = reference.key().unwrap();
            assert!(!key.contains('/') && Reference::from_key(&key).unwrap().to_string() == reference.to_string());
        }
        let long: Reference = format!("{}:{}", "x".repeat(200), "t".repeat(128)).parse().unwrap();
        assert!(long.key().is_err());
    }
}
