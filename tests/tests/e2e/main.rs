//! End to end: every test makes its own host, types what a person types, and leaves the host as it was.
//!
//! ```text
//!   harness     the private host itself             typed, recipe, tour   what the documents promise, word by word
//!   lifecycle   create … rm, ps, inspect            terminals, streams    people and pipes
//!   verbs       wait, pause, rename, top
//!   init        a process 1 for programs that are none
//!   posture     the container seen from inside      flags, limits         what a flag changes
//!   ports       -p, from everywhere                 publish_all           -P, both families
//!   ports_ipv6  the same for containers that have IPv6
//!   live_ports  port add and rm, while it runs      reload, foreign       network reload; firewalls of others
//!   policy      who reaches whom: docs/modes/policy.md, cell by cell
//!   several_networks, cables                      connect, disconnect, -d p2p
//!   names, networks                                 DNS, hosts, network commands
//!   answers, floods                                 the name server, question by question, and by the thousand
//!   aliases, links                                  further names, and who may be told of whom
//!   images, image_archives, hostile_images          where they come from, and what some of them try
//!   sequences   anything, in any order
//!   exit_codes, bad_input, corners                  crash, faults, starved, many    what must not go wrong
//! ```

mod aliases;
mod answers;
mod bad_input;
mod cables;
mod corners;
mod crash;
mod exit_codes;
mod explain;
mod faults;
mod flags;
mod floods;
mod flushed;
mod foreign;
mod given;
mod harness;
mod hostile_images;
mod image_archives;
mod images;
mod init;
mod lifecycle;
mod links;
mod live_ports;
mod many;
mod names;
mod network_families;
mod network_objects;
mod networks;
mod policy;
mod ports;
mod ports_ipv6;
mod posture;
mod posture_calls;
mod publish_all;
mod recipe;
mod reload;
mod sequences;
mod settings;
mod several_networks;
mod starved;
mod streams;
mod terminals;
mod tour;
mod typed;
mod verbs;
