//! Which published ports a word means: the words of `port add` and `port rm`.
//!
//! ```text
//! 80, 80/udp          every publication of the container's port
//! 8080:80             this port of the host, at any address
//! 127.0.0.1:8080:80   this one alone
//!
//! what was asked for   what runs                          rm 0.0.0.0:8080:80 leaves
//! 8080:80              0.0.0.0:8080->80 [::]:8080->80     [::]:8080:80
//! 8000-8010:80         0.0.0.0:8003->80 [::]:8003->80     8000-8010:80, unless 8003:80 or 80 is taken away
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Mapping, Ports};

/// Does the word mean this port, which is held or open?
pub fn means(word: &Mapping, mapping: &Mapping) -> bool {
    is_same_port(word, mapping) && word.at.is_none_or(|at| mapping.address() == at)
}

/// What is left of what was asked for when nothing of the word is to be published any more; `None` if it asked for
/// nothing of the kind.
pub fn without(asked: &[Mapping], word: &Mapping) -> Option<Vec<Mapping>> {
    let left: Vec<Mapping> = asked.iter().flat_map(|mapping| remainder(mapping, word)).collect();
    (left != asked).then_some(left)
}

fn remainder(mapping: &Mapping, word: &Mapping) -> Option<Mapping> {
    if !is_same_port(word, mapping) {
        return Some(*mapping);
    }
    let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let left = |at| Some(Mapping { at: Some(at), ..*mapping });
    match (word.at, mapping.at) {
        (None, _) => None,
        (Some(word), Some(at)) if word == at => None,
        // Of both families one is left.
        (Some(word), None) if word == v4 => left(v6),
        (Some(word), None) if word == v6 => left(v4),
        _ => Some(*mapping),
    }
}

/// The same port of the container, and of the host if the word names one. Where the choice was left to us, any of the
/// range may have been taken.
fn is_same_port(word: &Mapping, mapping: &Mapping) -> bool {
    let is_choice = |port: u16| mapping.host == Ports::ANY || (mapping.host.first..=mapping.host.last).contains(&port);
    let is_host_port = word.host == Ports::ANY || word.host == mapping.host || is_choice(word.host.first);
    (word.container, word.protocol) == (mapping.container, mapping.protocol) && is_host_port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::parse;

    fn all(texts: &[&str]) -> Vec<Mapping> {
        texts.iter().flat_map(|text| parse(text).unwrap()).collect()
    }

    fn left(asked: &[&str], word: &str) -> Option<String> {
        let left = without(&all(asked), &all(&[word])[0])?;
        Some(left.iter().map(Mapping::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_word_means_what_it_says_and_no_more() {
        let running = all(&["0.0.0.0:8080:80", "[::]:8080:80", "127.0.0.1:8081:80", "8080:80/udp"]);
        let meant = |word: &str| running.iter().filter(|mapping| means(&all(&[word])[0], mapping)).count();
        assert_eq!((meant("80"), meant("8080:80"), meant("0.0.0.0:8080:80")), (3, 2, 1));
        assert_eq!((meant("80/udp"), meant("81"), meant("8082:80"), meant("127.0.0.2:8081:80")), (1, 0, 0, 0));
    }

    #[test]
    fn what_is_taken_away_is_asked_for_no_more() {
        assert_eq!(left(&["8080:80", "81"], "8080:80").as_deref(), Some("0.0.0.0:0->81/tcp"));
        assert_eq!(left(&["8080:80"], "80").as_deref(), Some(""));
        assert_eq!(left(&["8080:80"], "0.0.0.0:8080:80").as_deref(), Some("[::]:8080->80/tcp"));
        assert_eq!(left(&["8080:80"], "[::]:8080:80").as_deref(), Some("0.0.0.0:8080->80/tcp"));
        assert_eq!(left(&["8000-8010:80"], "8003:80").as_deref(), Some(""));
        assert_eq!(left(&["80"], "32768:80").as_deref(), Some(""), "the kernel had the choice");
        for (asked, word) in [("8080:80", "8081:80"), ("8080:80", "80/udp"), ("8080:80", "127.0.0.1:8080:80")] {
            assert_eq!(left(&[asked], word), None, "{asked} {word}");
        }
    }
}
