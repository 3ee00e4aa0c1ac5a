//! One container from start to end, with the services around it.
//!
//! ```text
//! begin ─ start ──failed──────────────────────────────┐
//!           └─ serve: loop { turn; messages; end? } ──┤
//!                 └─ restart: end of init, start again│
//!                                                     └─> teardown ─ conclude ─ replies ─ exit
//! ```

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use jiff::Timestamp;
use netmodes::kernel::Kernel;
use oci_spec::runtime::Spec;

use super::clients::{Clients, Message, STARTER};
use super::life::Life;
use super::log::{Log, Stream};
use super::netns::Netns;
use super::network::Connection;
use super::service::Service;
use super::streams::Streams;
use super::{event_loop, publishing, renaming, spawn, specification, teardown, telling};
use crate::container::{Container, State, Status};
use crate::control::{PortsRequest, Reply, Request, StopRequest};
use crate::files;
use crate::isolate::cgroup::{self, Cgroup};
use crate::launch::{Failure, Stdio, launch};
use crate::phases;
use crate::processes;
use crate::sys::memory;
use crate::sys::term::{self, Size};

/// In the lines of `--debug`.
const WHO: &str = "monitor";

/// Everything that a monitor holds.
struct Run {
    container: Container,
    state: State,
    clients: Clients,
    streams: Option<Streams>,
    network: Option<(Netns, Connection)>,
    life: Option<Life>,
    terminal: Option<OwnedFd>,
    size: Option<Size>,
    /// Clients that want to hear of the end.
    waiting: BTreeSet<u64>,
    /// Clients that asked for a stop.
    stopping: Vec<u64>,
    /// Clients that asked for a restart: init's end is not the container's.
    restarting: Vec<u64>,
}

/// Starts the container, serves until it has ended, clears away. `early` is what clients said before the start.
///
/// # Errors
/// When something could not be cleared away; the next command will.
pub fn supervise(container: Container, clients: Clients, early: Vec<Message>) -> Result<()> {
    let state = State { version: files::VERSION, status: Status::Starting, ..State::default() };
    let mut run = Run {
        container,
        state,
        clients,
        streams: None,
        network: None,
        life: None,
        terminal: None,
        size: None,
        waiting: BTreeSet::from([STARTER]),
        stopping: Vec::new(),
        restarting: Vec::new(),
    };
    let ended = run.start(early).and_then(|()| {
        run.clients.reply(STARTER, &Reply::Started);
        run.serve()
    });
    run.finish(ended)
}

impl Run {
    /// Everything from the namespace to the running program.
    fn start(&mut self, early: Vec<Message>) -> Result<()> {
        spawn::enter_cgroup(&self.container.host)?;
        self.streams = Some(Streams::new(Log::open(&self.container.log_path())?));
        let (netns, opened) = Netns::make(&self.container)?;
        phases::mark(WHO, "the network namespace is there");
        let connection = Connection::prepare(&self.container, &netns, opened)?;
        phases::mark(WHO, "the network is planned");
        self.state.endpoints = connection.endpoints();
        self.state.ports = connection.ports().to_vec();
        self.network = Some((netns, connection));
        self.run_init(true, early)
    }

    /// Launches init in the namespace that is there; `fresh` when the namespace is still empty.
    fn run_init(&mut self, fresh: bool, early: Vec<Message>) -> Result<()> {
        let spec = specification::of(&self.container)?;
        self.tell(&spec, &early)?;
        let cgroup = Cgroup::create(&cgroup::detect()?, &self.container.host.cgroup_parent, &self.container.record.id)
            .context("cannot make the container's control group")?;
        if let Some(resources) = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()) {
            cgroup.apply(resources).context("cannot set the container's limits")?;
        }
        phases::mark(WHO, "the control group is there");
        let process = &self.container.record.process;
        let (stdio, ends) = streams_of(process.tty, process.open_stdin)?;
        let (netns, connection) = self.network.as_mut().context("the network was not prepared")?;
        let launched = netns.within(|| launch(&spec, &cgroup, &stdio));
        drop(stdio);
        let launched = launched?;
        phases::mark(WHO, "init is cloned");
        let pidfd = launched.pidfd.try_clone().context("cannot copy a descriptor")?;
        self.life = Some(Life::new(launched.pid, pidfd, cgroup));
        if fresh {
            connection.apply(&self.container)?;
            phases::mark(WHO, "the network is made");
            for sentence in connection.warnings() {
                self.clients.reply(STARTER, &Reply::Warned { sentence });
            }
            phases::mark(WHO, "other firewalls were looked at");
        }
        self.connect_streams(ends, process.tty.then(|| launched.console()).transpose()?)?;
        for message in early {
            self.hear(message);
        }
        let pid = processes::number_on_host(launched.pidfd.as_fd())?;
        self.state.pid = pid.as_raw();
        self.state.start_time = processes::start_time(pid)?;
        phases::mark(WHO, "init may go");
        launched.go()?;
        phases::mark(WHO, "init has become the program");
        self.state.status = Status::Running;
        self.state.started = Timestamp::now().to_string();
        self.container.write_state(&self.state)?;
        self.container.write_fate(&self.state)?;
        phases::mark(WHO, "its state is on record");
        memory::give_back();
        Ok(())
    }

    /// `--explain`: says what is about to be done.
    fn tell(&self, spec: &Spec, early: &[Message]) -> Result<()> {
        let wish = early.iter().find_map(|message| match message.request {
            Some(Request::Explain { detached }) => Some((message.client, detached)),
            _ => None,
        });
        let (Some((client, detached)), Some((_, connection))) = (wish, &self.network) else { return Ok(()) };
        let script = telling::script(&self.container, spec, &connection.plan(), detached)?;
        for text in telling::parts(&script.to_string()) {
            self.clients.reply(client, &Reply::Explained { text });
        }
        Ok(())
    }

    fn connect_streams(&mut self, ends: Ends, master: Option<OwnedFd>) -> Result<()> {
        let streams = self.streams.as_mut().context("there is no log")?;
        let Some(master) = master else {
            streams.connect(ends.outputs, ends.input);
            return Ok(());
        };
        if let Some(size) = self.size {
            let _ = term::resize(master.as_fd(), size);
        }
        let copy = || master.try_clone().context("cannot copy the terminal's descriptor");
        let input = if self.container.record.process.open_stdin { Some(copy()?) } else { None };
        streams.connect(vec![(copy()?, Stream::Output)], input);
        self.terminal = Some(master);
        Ok(())
    }

    /// Serves until the container has ended for good.
    fn serve(&mut self) -> Result<i32> {
        loop {
            while let Some(message) = self.clients.next_message() {
                self.hear(message);
            }
            let mut services: Vec<&mut dyn Service> = vec![&mut self.clients];
            services.extend(self.streams.as_mut().map(|streams| streams as &mut dyn Service));
            services.extend(self.life.as_mut().map(|life| life as &mut dyn Service));
            if let Some((_, connection)) = &mut self.network {
                services.push(&mut connection.crossing);
                services.push(&mut connection.naming.watcher);
                services.extend(connection.resolver.as_mut().map(|resolver| resolver as &mut dyn Service));
            }
            event_loop::turn(&mut services)?;
            self.follow_links();
            let Some(code) = self.life.as_ref().and_then(Life::exit_code) else { continue };
            // Who wants it stopped has the last word over who wants it restarted.
            if self.restarting.is_empty() || !self.stopping.is_empty() {
                return Ok(code);
            }
            self.restart(code)?;
        }
    }

    /// One that the container is linked to has started or ended.
    fn follow_links(&mut self) {
        if let Some((_, connection)) = &mut self.network
            && connection.naming.watcher.take_stirred()
        {
            // What fails now is tried again in a second: the container goes on meanwhile.
            let _ = connection.renew_names(&self.container);
        }
    }

    /// Init has ended and shall run again: the network stays, everything else is made anew.
    fn restart(&mut self, code: i32) -> Result<()> {
        self.end_init()?;
        self.tell_waiting(&Reply::Exited { code });
        if let Some((_, connection)) = &mut self.network {
            connection.ensure_networks(&self.container)?;
        }
        self.run_init(false, Vec::new())?;
        for client in std::mem::take(&mut self.restarting) {
            self.clients.reply(client, &Reply::Done);
        }
        Ok(())
    }

    /// What init leaves: children that outlived it, its cgroup, the last of its output.
    fn end_init(&mut self) -> Result<()> {
        if let Some(mut life) = self.life.take() {
            life.cgroup().kill().context("cannot kill the container's processes")?;
            if life.exit_code().is_none() {
                life.reap();
            }
            life.cgroup().remove().context("cannot remove the container's control group")?;
        }
        if let Some(streams) = &mut self.streams {
            streams.drain();
        }
        self.terminal = None;
        Ok(())
    }

    fn hear(&mut self, message: Message) {
        let client = message.client;
        let Some(request) = message.request else {
            self.waiting.remove(&client);
            if client == STARTER {
                phases::end();
            }
            if let Some(streams) = &mut self.streams {
                streams.detach(client);
            }
            return;
        };
        match request {
            Request::Hello => self.clients.reply(client, &Reply::Hello { version: crate::control::VERSION }),
            Request::Attach { stdin } => self.attach(client, stdin, message.descriptors),
            Request::CloseStdin => {
                if let Some(streams) = self.streams.as_mut().filter(|_| self.terminal.is_none()) {
                    streams.close_input(client);
                }
            }
            Request::Resize(size) => self.resize(size),
            Request::Kill { signal } => self.kill(client, signal),
            Request::Stop(stop) => {
                self.stopping.push(client);
                self.stop(stop);
            }
            Request::Restart(stop) => {
                self.restarting.push(client);
                self.stop(stop);
            }
            // Heard before the start, where it has a meaning.
            Request::Explain { .. } => {}
            Request::Wait => drop(self.waiting.insert(client)),
            Request::Rename => self.rename(client),
            Request::Reconnect { explain } => self.reconnect(client, explain),
            Request::Ports(wish) => self.change_ports(client, &wish),
            Request::Start => {
                self.clients.reply(client, &Reply::Error { sentence: "the container runs already".into() });
            }
        }
    }

    fn attach(&mut self, client: u64, stdin: bool, descriptors: Vec<OwnedFd>) {
        let mut descriptors = descriptors.into_iter();
        let (Some(output), Some(error), input) = (descriptors.next(), descriptors.next(), descriptors.next()) else {
            self.clients.reply(client, &Reply::Error { sentence: "attach needs two descriptors".into() });
            return;
        };
        self.waiting.insert(client);
        if let Some(streams) = &mut self.streams {
            streams.attach(client, output, error, input.filter(|_| stdin));
        }
    }

    fn resize(&mut self, size: Size) {
        self.size = Some(size);
        if let Some(terminal) = &self.terminal {
            let _ = term::resize(terminal.as_fd(), size);
        }
    }

    fn kill(&self, client: u64, signal: i32) {
        // A paused container would not hear, and on version 1 not even die: a signal ends the pause, as under Docker.
        let sent = self.life.as_ref().map(|life| {
            let _ = life.cgroup().thaw();
            life.signal(signal)
        });
        let reply = match sent {
            Some(Err(error)) => Reply::Error { sentence: format!("cannot send signal {signal}: {error}") },
            _ => Reply::Done,
        };
        self.clients.reply(client, &reply);
    }

    fn rename(&mut self, client: u64) {
        let renamed = self.container.reload().and_then(|container| {
            self.container = container;
            let Some((_, connection)) = &mut self.network else { return Ok(()) };
            renaming::rename(&self.container, &mut self.state, &mut connection.kernel)
        });
        self.answer(client, renamed);
    }

    /// The record is the truth: networks and ports follow it.
    fn reconnect(&mut self, client: u64, explain: bool) {
        let Run { container, state, network, clients, .. } = self;
        let followed = container.reload().and_then(|now| {
            *container = now;
            let Some((_, connection)) = network else { return Ok(()) };
            connection.follow(container, state, &mut |change| {
                let script = crate::explain::change(&container.record.name, change).to_string();
                for text in telling::parts(&script).into_iter().filter(|_| explain) {
                    clients.reply(client, &Reply::Explained { text });
                }
            })
        });
        self.answer(client, followed);
    }

    fn change_ports(&mut self, client: u64, wish: &PortsRequest) {
        let Run { container, state, network, clients, .. } = self;
        let changed = container.reload().and_then(|now| {
            *container = now;
            let Some((_, connection)) = network else { return Ok(()) };
            publishing::change(container, state, connection, wish, &mut |script| {
                for text in telling::parts(&script.to_string()) {
                    clients.reply(client, &Reply::Explained { text });
                }
            })
        });
        self.answer(client, changed);
    }

    fn answer(&mut self, client: u64, done: Result<()>) {
        let reply = match done {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Error { sentence: format!("{error:#}") },
        };
        self.clients.reply(client, &reply);
    }

    fn stop(&mut self, stop: StopRequest) {
        let record = &self.container.record;
        let signal = stop.signal.unwrap_or(record.stop_signal);
        let timeout = stop.timeout.unwrap_or(record.stop_timeout);
        if let Some(life) = &mut self.life {
            life.stop(signal, timeout);
        }
    }

    /// Clears everything away, says so, and lets go.
    fn finish(mut self, ended: Result<i32>) -> Result<()> {
        phases::mark(WHO, "init has ended");
        let reply = self.conclusion(ended);
        let cleared = self.clear_away();
        let is_clear = cleared.is_ok();
        let reply = match (reply, cleared) {
            (Reply::Failed { code, sentence }, Err(error)) => {
                Reply::Failed { code, sentence: format!("{sentence}; and afterwards: {error:#}") }
            }
            (reply, _) => reply,
        };
        phases::mark(WHO, "everything is cleared away");
        self.tell_waiting(&reply);
        for client in std::mem::take(&mut self.restarting) {
            self.clients.reply(client, &reply);
        }
        for client in std::mem::take(&mut self.stopping) {
            self.clients.reply(client, &Reply::Done);
        }
        // What could not be cleared away is on record for the next command, and the record must stay for that.
        if is_clear && self.container.record.auto_remove { self.container.remove_files() } else { Ok(()) }
    }

    fn conclusion(&mut self, ended: Result<i32>) -> Reply {
        self.state.finished = Timestamp::now().to_string();
        match ended {
            Ok(code) => {
                self.state.status = Status::Exited;
                self.state.exit_code = code;
                Reply::Exited { code }
            }
            Err(error) => {
                let failure = error.downcast::<Failure>().unwrap_or_else(|error| Failure::own(&error));
                let ran = !self.state.started.is_empty();
                self.state.status = if ran { Status::Exited } else { Status::Created };
                self.state.exit_code = failure.code;
                self.state.error.clone_from(&failure.sentence);
                Reply::Failed { code: failure.code, sentence: failure.sentence }
            }
        }
    }

    fn clear_away(&mut self) -> Result<()> {
        let ended = self.end_init();
        let mut kernel = match self.network.take() {
            Some((_, connection)) => connection.into_kernel(),
            None => Kernel::open(None)?,
        };
        let torn = teardown::tear_down(&self.container, &self.state, &mut kernel);
        // Closing a netlink socket after a deletion takes 10 ms: the exit of this process does it, off everybody's way.
        std::mem::forget(kernel);
        ended.and(torn)?;
        teardown::conclude(&self.container, self.state.clone())
    }

    fn tell_waiting(&mut self, reply: &Reply) {
        for client in std::mem::take(&mut self.waiting) {
            self.clients.reply(client, reply);
        }
    }
}

/// The monitor's ends of the container's streams.
#[derive(Debug, Default)]
struct Ends {
    outputs: Vec<(OwnedFd, Stream)>,
    input: Option<OwnedFd>,
}

/// pipe(2) for each stream, or nothing where the container makes its own terminal.
fn streams_of(tty: bool, open_stdin: bool) -> Result<(Stdio, Ends)> {
    if tty {
        return Ok((Stdio::Terminal, Ends::default()));
    }
    let pipe = || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context("cannot make a pipe for the streams");
    let (output, error) = (pipe()?, pipe()?);
    let (input, ours) = if open_stdin {
        let (theirs, ours) = pipe()?;
        (theirs, Some(ours))
    } else {
        (std::fs::File::open("/dev/null").context("cannot open /dev/null")?.into(), None)
    };
    let ends = Ends { outputs: vec![(output.0, Stream::Output), (error.0, Stream::Error)], input: ours };
    Ok((Stdio::Streams([input, output.1, error.1]), ends))
}
