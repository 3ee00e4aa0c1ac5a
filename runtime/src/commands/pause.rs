//! `pontoon pause` and `pontoon unpause`: the freezer of the container's control group.
//!
//! ```text
//! running ──pause──> paused ──unpause──> running        stop, kill, restart and rm -f thaw it first, so that it can end
//! ```
//!
//! Whether a container is paused is asked of the kernel each time; nothing is written down.

use anyhow::{Result, bail};

use crate::cli::ContainersArgs;
use crate::container::{Container, Containers, Status};
use crate::host::Host;
use crate::isolate::cgroup::{self, Cgroup};

/// Stops all processes of each container where they stand, and prints its name.
///
/// # Errors
/// None of its own: each operand's trouble is said and the exit code is 1.
pub fn pause(host: &Host, args: &ContainersArgs) -> Result<i32> {
    change(host, args, |container, group| {
        if is_paused(container)? {
            bail!("Container {} is already paused", container.record.id);
        }
        group.freeze()
    })
}

/// Lets them go on, and prints the container's name.
///
/// # Errors
/// As [`pause`].
pub fn unpause(host: &Host, args: &ContainersArgs) -> Result<i32> {
    change(host, args, |container, group| {
        if !is_paused(container)? {
            bail!("Container {} is not paused", container.record.id);
        }
        group.thaw()
    })
}

fn change(host: &Host, args: &ContainersArgs, act: impl Fn(&Container, &Cgroup) -> Result<()>) -> Result<i32> {
    super::each(&args.containers, |word| {
        let container = Containers::of(host).find(word)?;
        let group = group_of_running(&container)?;
        let _operation = container.lock_operation()?;
        act(&container, &group)?;
        super::say(format_args!("{word}"))
    })
}

/// The control group of a container that runs.
///
/// # Errors
/// Docker's sentence when it does not run.
pub fn group_of_running(container: &Container) -> Result<Cgroup> {
    let runs = container.state()?.status == Status::Running && container.is_supervised()?;
    let open = || Cgroup::open(&cgroup::detect()?, &container.host.cgroup_parent, &container.record.id);
    match if runs { open()? } else { None } {
        Some(group) => Ok(group),
        None => bail!("Container {} is not running", container.record.id),
    }
}

/// Whether a running container is paused.
///
/// # Errors
/// When the control groups of this host cannot be found.
pub fn is_paused(container: &Container) -> Result<bool> {
    Cgroup::is_frozen(&cgroup::detect()?, &container.host.cgroup_parent, &container.record.id)
}
