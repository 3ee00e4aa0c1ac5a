//! Where the container's files are on the host.
//!
//! ```text
//! $root                 its / is mounted here, in its own mount namespace alone
//! $files                hosts hostname resolv.conf
//! $disk                 upper  what it writes       work  overlayfs's own
//! ```

use netmodes::explain::{Group, Line};

use super::Scene;
use super::shell::word;
use crate::text;

/// The directories.
pub fn directories(scene: &Scene<'_>) -> Group {
    let places = &scene.places;
    let variable = |name: &str, path: &std::path::Path| format!("{name}={}", word(&text::encode(path.as_os_str())));
    Group::new("Where its files are: the image's layers are read only, and everything that it writes goes to a directory of its own.")
        .with(variable("root", &places.root), "where its / will be")
        .with(variable("files", &places.files), "its hosts, hostname and resolv.conf")
        .with(variable("disk", &places.disk), "what it writes")
        .with(r#"mkdir -p -m 700 "$files" "$disk""#, "nobody else on the host looks into a container")
        .with(r#"mkdir -p "$root" "$disk/upper" "$disk/work""#, "overlayfs wants the two on one file system")
}

/// The three files, if they are its own.
pub fn files(scene: &Scene<'_>) -> Option<Group> {
    if scene.etc.is_empty() {
        return None;
    }
    let lines = scene.etc.iter().map(|(name, text)| {
        let end = delimiter(text);
        let newline = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
        Line::new(format!("cat >\"$files/{name}\" <<'{end}'\n{text}{newline}{end}"), reason(name))
    });
    let why = "Three files that tell it who and where it is: they will be mounted over those of the image.";
    Some(Group { why: why.into(), lines: lines.collect() })
}

fn reason(name: &str) -> &'static str {
    match name {
        "hosts" => "its own name, and those of --add-host",
        "hostname" => "the same name that the kernel gets",
        _ => "whom it asks for other names",
    }
}

/// A word that is no line of the text.
fn delimiter(text: &str) -> String {
    let mut word = String::from("END");
    while text.lines().any(|line| line == word) {
        word.push('_');
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_end_its_own_document() {
        assert_eq!(delimiter("a\nEND\nEND_\n"), "END__");
    }
}
