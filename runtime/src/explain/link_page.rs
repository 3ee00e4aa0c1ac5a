//! docs/modes/link.md: what one link tells and opens, from the functions that do it.
//!
//! ```text
//! example ─┬─ links::environment ──> variables        ┐
//!          ├─ linked::hosts, lines ─> /etc/hosts       ├─> docs/modes/link.md
//!          └─ modes::links::plan ──> links4, links6   ┘
//! ```

use netmodes::explain::groups;
use netmodes::modes;
use netmodes::names::links::Source;
use netmodes::names::{hosts, links};
use netmodes::network::Network;
use netmodes::publish::Protocol;

use super::pages::{head, section};
use crate::monitor::linked::{self, Linked};

/// Where it lies.
pub const PATH: &str = "docs/modes/link.md";

const OPENING: &str = "
```text
 web ── --link db:store ──> db                                the default network: by address
        /etc/hosts          172.17.0.2  store …               a line, as long as db runs
        environment         STORE_PORT=tcp://172.17.0.2:5432  a snapshot of each start
        firewall            web may open 5432 of db           where neighbours are strangers (icc=false)

 web ── --link db:store ──> whoever is called db              a network of one's own: by name
        name server         store, store.my-net               for web alone, before the network's own names
```

The default network has no name server, as in Docker. There a link is how one container is told of another; it is bound to that
container, which has to run when the other one starts. Everywhere else containers find each other by name, and a link is one
more name that nobody else knows.

## What is typed

```bash
pontoon run -d --name db --expose 5432 -e PGDATA=/data busybox sleep 1000
pontoon run -d --name web --link db:store busybox sleep 1000
```

## What the container is told

A line of `/etc/hosts`, before its own: alias, host name, name.
";

const MOVES: &str = "
## When the other one ends and starts

The monitor of `web` watches the state of `db`, so nobody has to tell it. When `db` ends, line and elements go: its address may be
another container's soon. When it starts again, they come with the address that it has then; lines that somebody has written into the
file stay. The variables stay as they are until `web` itself starts again; `pontoon exec` sees the new ones. After `db` has been
removed, `web` goes on, and its next start is refused. Why it is done in this way: [decision 0014](../decisions/0014-links.md).

Look at it:

```bash
pontoon exec web cat /etc/hosts
pontoon inspect -f '{{json .HostConfig.Links}}' web
nft list set inet pontoon links4
```
";

/// The page.
pub fn text() -> String {
    let source = Source {
        name: "db".into(),
        hostname: "4c01db0b339c".into(),
        address: [172, 17, 0, 2].into(),
        exposed: vec![(5432, Protocol::Tcp)],
        environment: vec!["PATH=/bin".into(), "PGDATA=/data".into()],
    };
    let linked = Linked { alias: "store".into(), addresses: vec![source.address], source };
    let lines = hosts::lines(&linked::hosts(std::slice::from_ref(&linked))).unwrap().concat();
    let variables = links::environment("web", &linked.alias, &linked.source).join("\n");
    let mut text = head("`--link`: one container is told of another", "the code that does it");
    text += OPENING;
    text += &format!(
        "\n```text\n{lines}```\n\nVariables, behind those that it has anyway; one that `-e` sets is left alone. "
    );
    text += "Of the other one's own, all but HOME and PATH.\n";
    text += &format!("\n```text\n{variables}\n```\n\n## What is opened\n");
    let steps = modes::links::plan(&strangers(), &[[172, 17, 0, 3].into()], &linked.addresses, &linked.source.exposed);
    groups(&steps).iter().for_each(|group| text += &section(group));
    text += "\nWith `icc=true`, which is what nothing said means, neighbours reach each other anyway, and nothing is opened.\n";
    text + MOVES
}

/// The default network of a host whose settings say `icc = false`.
fn strangers() -> Network {
    Network { icc: false, ..super::pages::segment() }
}
