//! Recipes: a small JSON file from which an image is built, without running anything inside it.
//!
//! ```text
//!   recipe.json ──parse──> Recipe ──gather──> Tree (sorted, owners 0:0, one time) ──pack──> tar ──> Store::import
//!                                    │
//!                                    ├ copy      a file of the host, or of the recipe's directory; may have to be a static ELF
//!                                    ├ applets   what a copied program says it can be called, as links to it
//!                                    └ directories, files, links
//! ```
//!
//! The same inputs give the same tar, and so the same id: entries are sorted, and every time in it is that of the newest
//! file that was copied. A recipe is trusted as a Makefile is: its `applets` run the program that it copies.

mod elf;
mod gather;
mod pack;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::image::Config;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Doing, Error};
use crate::image::{Image, ImportOptions};
use crate::reference::Reference;
use crate::store::Store;

/// The version of recipes that this code understands.
const VERSION: u64 = 1;
/// The file in a recipe's directory.
const FILE: &str = "recipe.json";
/// Recipes that are compiled in: name and text.
const BUILT_IN: [(&str, &str); 1] = [("busybox", include_str!("../../../images/busybox/recipe.json"))];

/// A recipe as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    version: u64,
    /// The image's name if none is asked for.
    name: Option<String>,
    #[serde(default)]
    copy: Vec<Copy>,
    #[serde(default)]
    applets: Vec<Applets>,
    #[serde(default)]
    directories: Vec<Directory>,
    #[serde(default)]
    files: Vec<TextFile>,
    #[serde(default)]
    links: Vec<Link>,
    /// `config` of the OCI image configuration.
    #[serde(default)]
    config: Value,
}

/// A file to copy: an absolute path is the host's, a relative one the recipe directory's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Copy {
    from: PathBuf,
    to: String,
    #[serde(default = "program")]
    mode: Mode,
    /// Whether it must be a program that needs no shared library.
    #[serde(default, rename = "static")]
    is_static: bool,
    /// What to do if the file is missing or not static.
    hint: Option<String>,
}

/// Links to a copied program, one for each line that it prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Applets {
    /// The `to` of the copied program.
    of: String,
    arguments: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    path: String,
    #[serde(default = "program")]
    mode: Mode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextFile {
    path: String,
    #[serde(default = "text")]
    mode: Mode,
    /// Without their newlines.
    #[serde(default)]
    lines: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    path: String,
    target: String,
}

/// Permission bits, written in octal: "1777".
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Mode(u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Mode, String> {
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777 && !text.starts_with('+'));
        mode.map(Mode).ok_or_else(|| format!("{text:?} is no mode: write octal digits, like \"0755\""))
    }
}

fn program() -> Mode {
    Mode(0o755)
}

fn text() -> Mode {
    Mode(0o644)
}

/// What an image will hold, by path without a leading slash.
#[derive(Default)]
struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Seconds since 1970 of the newest copied file.
    time: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Directory { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link { target: String },
}

impl Store {
    /// Builds the image that `recipe.json` in this directory describes, under the name given here or there.
    pub fn build(&self, recipe_dir: &Path, name: Option<&Reference>) -> Result<Image, Error> {
        let path = recipe_dir.join(FILE);
        let text = fs::read(&path).doing(|| format!("read the recipe {}", path.display()))?;
        self.follow(&text, &path, Some(recipe_dir), name)
    }

    /// Whether there is a recipe of that name compiled in.
    pub fn has_builtin(name: &str) -> bool {
        builtin(name).is_some()
    }

    /// Builds an image from a recipe that is compiled in; None if there is none of that name. Only the tag `latest` is.
    pub fn build_builtin(&self, name: &str) -> Result<Option<Image>, Error> {
        let Some((reference, known, text)) = builtin(name) else { return Ok(None) };
        self.follow(text.as_bytes(), Path::new(known), None, Some(&reference)).map(Some)
    }

    fn follow(&self, text: &[u8], path: &Path, dir: Option<&Path>, name: Option<&Reference>) -> Result<Image, Error> {
        let refuse = |why: String| Error::Recipe { path: path.into(), why };
        let recipe = parse(text).map_err(refuse)?;
        let own_name = recipe.name.as_deref().map(str::parse).transpose()?;
        let tree = gather::gather(&recipe, dir).map_err(refuse)?;
        let archive = pack::pack(&tree).doing(|| format!("pack the image of {}", path.display()))?;
        let created = i64::try_from(tree.time).ok().and_then(|time| jiff::Timestamp::from_second(time).ok());
        let options = ImportOptions {
            config: config(&recipe).map_err(refuse)?,
            created: Some(created.unwrap_or(jiff::Timestamp::UNIX_EPOCH)),
            comment: Some("Built by pontoon from a recipe".into()),
        };
        self.import(archive.as_slice(), name.or(own_name.as_ref()), options)
    }
}

fn builtin(name: &str) -> Option<(Reference, &'static str, &'static str)> {
    let reference = name.parse::<Reference>().ok().filter(|reference| reference.digest().is_none())?;
    let text = reference.to_string();
    BUILT_IN
        .iter()
        .find(|(known, _)| text == format!("{known}:latest"))
        .map(|(known, recipe)| (reference, *known, *recipe))
}

fn parse(text: &[u8]) -> Result<Recipe, String> {
    let recipe: Recipe = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if recipe.version > VERSION {
        return Err(format!("it has version {}, and this Pontoon knows versions up to {VERSION}", recipe.version));
    }
    Ok(recipe)
}

/// The image's config. A member that would be lost is an error: a misspelt "Entrypoint" is no entrypoint.
fn config(recipe: &Recipe) -> Result<Config, String> {
    let Value::Object(written) = &recipe.config else { return Ok(Config::default()) };
    let config: Config = serde_json::from_value(recipe.config.clone()).map_err(|error| format!("config: {error}"))?;
    let read = serde_json::to_value(&config).map_err(|error| format!("config: {error}"))?;
    match written.keys().find(|key| read.get(key.as_str()).is_none()) {
        Some(key) => Err(format!("config: unknown member {key:?}")),
        None => Ok(config),
    }
}

#[cfg(test)]
mod tests;
