//! The README's two-minute tour, executed: its lines are typed, and what it shows must appear.
//!
//! ```text
//!   ## … tour …             the section
//!   ```console              each of its blocks, in order, in one host
//!   $ pontoon ps -a         a command; on a terminal, because a person types it on one
//!   / # hostname            typed to the command that is running
//!   CONTAINER ID   …        must appear, up to an `…`; ids and times are written as `…`
//!   ```
//! ```
//!
//! The other documents are held to what they name: paths that are there, and tests that exist.

use std::path::{Path, PathBuf};

use pontoon_tests::{Host, Terminal};

/// The directory of the workspace.
const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Its directories that documents speak of.
const ROOMS: [&str; 6] = ["runtime/", "netmodes/", "rootfs-tools/", "tests/", "images/", "docs/"];

/// One command of the tour with what follows it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scene {
    command: String,
    typed: Vec<String>,
    shown: Vec<String>,
}

/// The scenes of all console blocks in the section whose title contains "tour".
fn scenes(readme: &str) -> Vec<Scene> {
    let mut scenes = Vec::new();
    let (mut in_tour, mut in_block) = (false, false);
    for line in readme.lines() {
        match line {
            _ if line.starts_with("## ") => in_tour = line.to_lowercase().contains("tour"),
            "```console" if in_tour => in_block = true,
            "```" => in_block = false,
            _ if in_block => read(line, &mut scenes),
            _ => {}
        }
    }
    scenes
}

fn read(line: &str, scenes: &mut Vec<Scene>) {
    if let Some(command) = line.strip_prefix("$ ") {
        scenes.push(Scene { command: command.to_owned(), ..Scene::default() });
    } else if let Some(scene) = scenes.last_mut() {
        match line.strip_prefix("/ # ") {
            Some(typed) => scene.typed.push(typed.to_owned()),
            None if !line.trim().is_empty() => scene.shown.push(line.to_owned()),
            None => {}
        }
    }
}

/// Plays one scene on a terminal.
fn play(host: &Host, scene: &Scene) {
    let mut terminal = Terminal::open(host, &scene.command);
    for line in &scene.typed {
        terminal.expect("/ # ");
        terminal.type_(&format!("{line}\r"));
    }
    let (code, shown) = terminal.wait();
    assert_eq!(code, 0, "$ {}\n{shown}", scene.command);
    for part in scene.shown.iter().flat_map(|line| line.split('…')).map(str::trim).filter(|part| !part.is_empty()) {
        assert!(shown.contains(part), "{part:?} is not shown by\n$ {}\n{shown}", scene.command);
    }
}

fn read_document(path: &str) -> String {
    std::fs::read_to_string(Path::new(TOP).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a document sets in `this type`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// All source files below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn root_tour_of_the_readme() {
    let scenes = scenes(&read_document("README.md"));
    assert!(scenes.len() >= 5, "the README has a tour in console blocks: {scenes:?}");
    let mut host = Host::new();
    for scene in &scenes {
        play(&host, scene);
    }
    assert_eq!(host.sh("pontoon ps -aq").ok(), "", "the tour cleans up behind itself");
    host.settle();
}

#[test]
fn pure_scenes_are_read_from_the_tour_s_section_only() {
    let readme = "## Install\n```console\n$ no\n```\n## A short tour\ntext\n```console\n$ pontoon run\n/ # ls\nbin…\n\n$ two\n```\n```\n$ no\n```\n";
    let expected = [
        Scene { command: "pontoon run".into(), typed: vec!["ls".into()], shown: vec!["bin…".into()] },
        Scene { command: "two".into(), ..Scene::default() },
    ];
    assert_eq!(scenes(readme), expected);
}

#[test]
fn pure_paths_that_documents_name_are_there() {
    for document in ["README.md", "docs/tour.md", "docs/glossary.md", "docs/specification.md"] {
        let text = read_document(document);
        let paths: Vec<&str> = quoted(&text).filter(|word| ROOMS.iter().any(|room| word.starts_with(room))).collect();
        let lost: Vec<_> = paths.iter().filter(|path| !Path::new(TOP).join(path).exists()).collect();
        assert!(lost.is_empty(), "{document} speaks of {lost:?}");
        assert!(paths.len() > 10 || !document.starts_with("docs/tour"), "the tour leads somewhere");
    }
}

#[test]
fn pure_tests_that_the_specification_names_exist() {
    let rooms = ["runtime/src", "netmodes", "rootfs-tools/src", "tests/tests"].map(|room| Path::new(TOP).join(room));
    let files = rooms.iter().flat_map(|room| sources(room)).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let code: String = files.map(|path| std::fs::read_to_string(path).expect("a source file")).collect();
    let text = read_document("docs/specification.md");
    let names: Vec<&str> = quoted(&text).filter(|word| word.contains("::") && !word.contains(' ')).collect();
    assert!(names.len() > 100, "a specification without tests");
    let is_there = |name: &str| name.rsplit("::").next().is_some_and(|last| code.contains(&format!("fn {last}(")));
    let lost: Vec<_> = names.into_iter().filter(|name| !is_there(name)).collect();
    assert!(lost.is_empty(), "the specification speaks of {lost:?}");
}
