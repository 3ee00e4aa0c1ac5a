//! The overlay that is a container's root: from one layer to as many as the kernel stacks.
//!
//! ```text
//!   options fit in a page       mount -t overlay -o lowerdir=a:b:c,upperdir=…,workdir=… overlay PATH
//!   they do not, Linux 6.7      fsopen; fsconfig lowerdir+=a, lowerdir+=b, …; fsmount; move_mount
//!   they do not, before         cd DIRECTORY-OF-THE-LAYERS; mount -o lowerdir=a:b:c with the last names alone
//! ```
//!
//! mount(2) takes one page of options, whatever the file system. A layer's path in the store is about 50 bytes, so some
//! eighty of them fit; with their last names alone, 22 letters each, it is more than 150.

use std::path::Path;

use anyhow::{Context, Result, bail};
use nix::mount::MsFlags;
use oci_spec::runtime::Mount;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};

use super::mounts::attach;

/// What mount(2) copies of its last argument, with the NUL at its end.
const PAGE: usize = 4096;

/// Mounts an overlay entry of the Spec on a directory.
///
/// # Errors
/// What the kernel says; more layers than it stacks.
pub fn mount(entry: &Mount, path: &Path) -> Result<()> {
    let options: Vec<&str> = entry.options().iter().flatten().map(String::as_str).collect();
    let data = options.join(",");
    let mounted = match data.len() < PAGE {
        true => by_page(&data, path),
        false => {
            by_layer(&options, path).and_then(|mounted| if mounted { Ok(()) } else { from_inside(&options, path) })
        }
    };
    mounted
        .with_context(|| format!("cannot mount the overlay of {} layers on {}", layers(&options).len(), path.display()))
}

fn by_page(data: &str, path: &Path) -> Result<()> {
    Ok(nix::mount::mount(Some("overlay"), path, Some("overlay"), MsFlags::empty(), Some(data))?)
}

/// Layer by layer; false where the kernel does not know `lowerdir+`.
fn by_layer(options: &[&str], path: &Path) -> Result<bool> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).context("fsopen")?;
    for layer in layers(options) {
        match fsconfig_set_string(&context, "lowerdir+", plain(layer)) {
            Err(Errno::INVAL) => return Ok(false),
            set => set.with_context(|| format!("lowerdir+={layer}"))?,
        }
    }
    for (key, value) in others(options) {
        fsconfig_set_string(&context, key, plain(value)).with_context(|| format!("{key}={value}"))?;
    }
    fsconfig_create(&context).context("create")?;
    let made = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).context("fsmount")?;
    let target = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    attach(&made, &target).map(|()| true)
}

/// From the directory that holds all layers. The root is entered right after, so nobody misses the old one.
fn from_inside(options: &[&str], path: &Path) -> Result<()> {
    let layers = layers(options);
    let Some((directory, _)) = layers.first().and_then(|layer| layer.rsplit_once('/')) else { bail!("no layers") };
    let names: Option<Vec<&str>> =
        layers.iter().map(|layer| layer.strip_prefix(directory)?.strip_prefix('/')).collect();
    let Some(names) = names else { bail!("the layers lie in several directories, and their paths are too long") };
    let others = others(options).map(|(key, value)| format!(",{key}={value}"));
    let data = format!("lowerdir={}", names.join(":")) + &others.collect::<String>();
    if data.len() >= PAGE {
        bail!("this kernel takes no more than a page of options, and they have {} bytes", data.len());
    }
    nix::unistd::chdir(plain(directory).as_str()).with_context(|| format!("cannot enter {directory}"))?;
    by_page(&data, path)
}

/// The values of `lowerdir`, still escaped; colons that are part of a path are escaped.
fn layers<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let list = options.iter().find_map(|option| option.strip_prefix("lowerdir=")).unwrap_or_default();
    let bytes = list.as_bytes();
    let (mut layers, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b':' => {
                layers.push(&list[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    layers.push(&list[begin..]);
    layers
}

fn others<'a>(options: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    options.iter().filter_map(|option| option.split_once('=')).filter(|(key, _)| *key != "lowerdir")
}

/// Without the backslashes that keep separators apart: fsconfig(2) and chdir(2) know no separators.
fn plain(escaped: &str) -> String {
    let mut plain = String::with_capacity(escaped.len());
    let mut letters = escaped.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_parted_at_colons_that_are_not_escaped() {
        let options = ["lowerdir=/a\\:b/l/x:/c\\\\:/d\\,e", "upperdir=/u"];
        assert_eq!(layers(&options), ["/a\\:b/l/x", "/c\\\\", "/d\\,e"]);
        assert_eq!(layers(&options).iter().map(|layer| plain(layer)).collect::<Vec<_>>(), ["/a:b/l/x", "/c\\", "/d,e"]);
        assert_eq!(others(&options).collect::<Vec<_>>(), [("upperdir", "/u")]);
    }

    /// Runs in a thread with a mount namespace, and so a working directory, of its own.
    fn stacked(count: usize, mount: fn(&[&str], &Path) -> Result<()>) -> Vec<String> {
        let work = move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            let dir = tempfile::tempdir().unwrap();
            nix::mount::mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
            let at = |name: &str| dir.path().join(name);
            let names: Vec<String> = (0..count).map(|number| format!("layer-{number:0>16}")).collect();
            for name in &names {
                std::fs::create_dir_all(at("a:b/l").join(name)).unwrap();
                std::fs::write(at("a:b/l").join(name).join(name), "").unwrap();
                std::fs::write(at("a:b/l").join(name).join("highest"), name).unwrap();
            }
            for name in ["root", "upper", "work"] {
                std::fs::create_dir(at(name)).unwrap();
            }
            let escaped = at("a\\:b/l").to_string_lossy().into_owned();
            let list = names.iter().map(|name| format!("{escaped}/{name}")).collect::<Vec<_>>().join(":");
            let upper = format!("upperdir={}", at("upper").display());
            let work = format!("workdir={}", at("work").display());
            mount(&[&format!("lowerdir={list}"), &upper, &work], &at("root")).unwrap();
            let entries = std::fs::read_dir(at("root")).unwrap().count();
            let highest = std::fs::read_to_string(at("root/highest")).unwrap();
            nix::mount::umount2(&at("root"), nix::mount::MntFlags::MNT_DETACH).unwrap();
            nix::unistd::chdir("/").unwrap();
            nix::mount::umount2(dir.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
            vec![entries.to_string(), highest]
        };
        std::thread::spawn(work).join().unwrap()
    }

    #[test]
    fn root_many_layers_are_stacked_one_by_one() {
        let one_by_one = |options: &[&str], path: &Path| {
            // Where it is not known, the other way is the one that counts.
            if by_layer(options, path)? { Ok(()) } else { from_inside(options, path) }
        };
        assert_eq!(stacked(140, one_by_one), ["141", "layer-0000000000000000"]);
    }

    #[test]
    fn root_many_layers_are_stacked_from_inside_their_directory() {
        assert_eq!(stacked(140, from_inside), ["141", "layer-0000000000000000"]);
    }
}
