//! From a recipe to the tree it describes: reads the files, asks the programs, fills in parent directories.
//!
//! ```text
//!   copy ─> applets ─> directories ─> files ─> links ─> missing parents (0755)
//!           └ only where nothing is yet; any other second use of a path is a mistake in the recipe
//! ```

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Applets, Copy, Node, Recipe, Tree, elf};

/// The largest file that a recipe may copy: it is held in memory.
const LARGEST: u64 = 256 << 20;

/// Everything the image will hold. Errors are the second half of a sentence about the recipe.
pub(super) fn gather(recipe: &Recipe, dir: Option<&Path>) -> Result<Tree, String> {
    let mut tree = Tree::default();
    for copy in &recipe.copy {
        let (content, time) = read(copy, dir).map_err(|why| with_hint(why, copy.hint.as_deref()))?;
        tree.time = tree.time.max(time);
        tree.add(&copy.to, Node::File { mode: copy.mode.0, content })?;
    }
    for directory in &recipe.directories {
        tree.add(&directory.path, Node::Directory { mode: directory.mode.0 })?;
    }
    for file in &recipe.files {
        let content = file.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>().into_bytes();
        tree.add(&file.path, Node::File { mode: file.mode.0, content })?;
    }
    for link in &recipe.links {
        tree.add(&link.path, Node::Link { target: link.target.clone() })?;
    }
    for applets in &recipe.applets {
        tree.add_applets(applets, recipe, dir)?;
    }
    tree.add_parents()?;
    Ok(tree)
}

impl Tree {
    fn add(&mut self, path: &str, node: Node) -> Result<(), String> {
        match self.nodes.insert(checked(path)?, node) {
            None => Ok(()),
            Some(_) => Err(format!("{path} is there twice")),
        }
    }

    /// `busybox --list-full`: links for all names that nothing else has taken.
    fn add_applets(&mut self, applets: &Applets, recipe: &Recipe, dir: Option<&Path>) -> Result<(), String> {
        let of = checked(&applets.of)?;
        let copy = recipe.copy.iter().find(|copy| checked(&copy.to).is_ok_and(|to| to == of));
        let copy = copy.ok_or_else(|| format!("the applets of {of} are wanted, and nothing is copied there"))?;
        let names = ask(&source(copy, dir)?, &applets.arguments)?;
        for name in names.lines() {
            let link = Node::Link { target: format!("/{of}") };
            self.nodes.entry(checked(name)?).or_insert(link);
        }
        Ok(())
    }

    /// Every directory on the way to a node, where the recipe does not mention it.
    fn add_parents(&mut self) -> Result<(), String> {
        let paths: Vec<String> = self.nodes.keys().cloned().collect();
        for path in paths {
            for (end, _) in path.match_indices('/') {
                let parent = self.nodes.entry(path[..end].into()).or_insert(Node::Directory { mode: 0o755 });
                if !matches!(parent, Node::Directory { .. }) {
                    return Err(format!("{path} lies below {}, which is no directory", &path[..end]));
                }
            }
        }
        Ok(())
    }
}

/// A path in the image without its leading slash.
fn checked(path: &str) -> Result<String, String> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    let good = relative.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.starts_with(".wh."));
    if good && !relative.contains('\0') { Ok(relative.into()) } else { Err(format!("{path:?} is no path in an image")) }
}

fn source(copy: &Copy, dir: Option<&Path>) -> Result<PathBuf, String> {
    match dir {
        _ if copy.from.is_absolute() => Ok(copy.from.clone()),
        Some(dir) => Ok(dir.join(&copy.from)),
        None => Err(format!("{} is relative, and a built-in recipe has no directory", copy.from.display())),
    }
}

/// The content of a file that is to be copied, and its time of change in seconds since 1970.
fn read(copy: &Copy, dir: Option<&Path>) -> Result<(Vec<u8>, u64), String> {
    let path = source(copy, dir)?;
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    // stat before open: opening a fifo would wait for its writer.
    let meta = fs::metadata(&path).map_err(cannot)?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(format!("{} is no regular file of at most 256 MiB", path.display()));
    }
    let mut content = Vec::new();
    let file = File::open(&path).map_err(cannot)?;
    file.take(LARGEST).read_to_end(&mut content).map_err(cannot)?;
    if copy.is_static && !elf::is_static(&content) {
        return Err(format!("{} is no statically linked program", path.display()));
    }
    Ok((content, u64::try_from(meta.mtime()).unwrap_or(0)))
}

fn with_hint(why: String, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{why} (hint: {hint})"),
        None => why,
    }
}

/// What a program prints. It is called by its own name, whatever its file is called.
fn ask(program: &Path, arguments: &[String]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg0(program.file_name().unwrap_or_default()).args(arguments).env_clear();
    command.stdin(Stdio::null()).current_dir("/");
    let output = command.output().map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} {} ended with {}", program.display(), arguments.join(" "), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{} printed what is not UTF-8", program.display()))
}
