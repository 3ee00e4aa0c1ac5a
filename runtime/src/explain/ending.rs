//! The way down, when the program has ended.
//!
//! ```text
//! ports, veth, what it could say ─ namespace ─ control group ─ files
//! ```

use netmodes::explain::{self, Group, Line};

use super::{Network, Scene};

/// What undoes the script; with `-d` as comments, as nobody waits there.
pub fn group(scene: &Scene<'_>) -> Option<Group> {
    let why = "When it has ended: its mounts went with its last process, and the rest is taken back, newest first.";
    let mut group = Group::new(why);
    if let Network::Own(plan) = scene.network {
        group.lines.extend(explain::undo(&plan.own));
        group.lines.push(Line::new(r#"ip netns del "$netns""#, "with all that is in it"));
    }
    group = group.with(r#"for tree in $trees; do rmdir "$tree/$cgroup"; done"#, "it is empty by now");
    if !scene.etc.is_empty() {
        group = group.with(files(scene), "what told it where it was");
    }
    group = match scene.record.auto_remove {
        true => group.with(r#"rm -r "$disk""#, "--rm: what it wrote goes, too"),
        false => group.with(r#"echo "What it wrote is in $disk/upper""#, "without --rm that stays, for another start"),
    };
    if scene.detached {
        group.why = "It runs on by itself. When it has ended, these lines take back the rest, newest first:".into();
        group.lines.iter_mut().for_each(|line| line.text.insert_str(0, "# "));
        return Some(group);
    }
    Some(group.with(r#"exit "$code""#, "the container's exit code is the command's"))
}

fn files(scene: &Scene<'_>) -> String {
    let names: String = scene.etc.iter().map(|(name, _)| format!(" \"$files/{name}\"")).collect();
    format!("rm{names}")
}
