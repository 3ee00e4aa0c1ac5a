use super::*;
use std::io::{Read, Write};

use anyhow::{Context, Result};
use nix::unistd::pipe;

/// A container's output pipe, a client attached to it, and a log in a temporary file.
struct Scene {
    streams: Streams,
    container: File,
    client: File,
    _directory: tempfile::TempDir,
}

fn scene() -> Result<Scene> {
    let directory = tempfile::tempdir()?;
    let mut streams = Streams::new(Log::open(&directory.path().join("log"))?);
    let (source, container) = pipe()?;
    streams.connect(vec![(source, Stream::Output)], None);
    let (client, sink) = pipe()?;
    let (_, nowhere) = pipe()?;
    streams.attach(1, sink, nowhere, None);
    Ok(Scene { streams, container: File::from(container), client: File::from(client), _directory: directory })
}

fn turn(streams: &mut Streams) -> Result<()> {
    super::super::event_loop::turn(&mut [streams])
}

#[test]
fn what_the_container_writes_arrives() -> Result<()> {
    let mut scene = scene()?;
    scene.container.write_all(b"hello\n")?;
    turn(&mut scene.streams)?;
    let mut buffer = [0; 16];
    assert_eq!(scene.client.read(&mut buffer)?, 6);
    assert_eq!(&buffer[..6], b"hello\n");
    Ok(())
}

#[test]
fn a_reader_that_does_not_read_stops_the_container_not_us() -> Result<()> {
    let mut scene = scene()?;
    non_blocking(scene.container.try_clone()?.into());
    let chunk = [b'x'; CHUNK];
    let mut written = 0;
    for _ in 0..200 {
        match scene.container.write(&chunk) {
            Ok(length) => written += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let mut watch = Vec::new();
        scene.streams.watch(&mut watch);
        if !watch[0].read {
            break;
        }
        turn(&mut scene.streams)?;
    }
    let mut watch = Vec::new();
    scene.streams.watch(&mut watch);
    assert!(!watch[0].read, "the container is still being read after {written} bytes");
    assert!(scene.streams.outputs[0].readers[0].sink.backlog.len() < BACKLOG + CHUNK);
    Ok(())
}

#[test]
fn at_the_end_nothing_is_lost_and_nobody_is_waited_for() -> Result<()> {
    let mut scene = scene()?;
    let sent = [b'y'; 60_000];
    scene.container.write_all(&sent)?;
    drop(scene.container);
    scene.streams.drain();
    let mut received = Vec::new();
    scene.client.read_to_end(&mut received)?;
    assert_eq!(received, sent);
    Ok(())
}

#[test]
fn at_the_end_a_backlog_arrives_though_the_container_has_nothing_more() -> Result<()> {
    let mut scene = scene()?;
    // The client's pipe is full, the rest waits in the backlog, and the container's pipe is empty.
    let sent = [b'y'; 2 * BACKLOG - CHUNK];
    for chunk in sent.chunks(CHUNK) {
        scene.container.write_all(chunk)?;
        turn(&mut scene.streams)?;
    }
    assert!(!scene.streams.outputs[0].readers[0].sink.backlog.is_empty());
    drop(scene.container);
    scene.streams.drain();
    let mut received = Vec::new();
    scene.client.read_to_end(&mut received)?;
    assert_eq!(received.len(), sent.len());
    Ok(())
}

#[test]
fn a_reader_that_closes_is_forgotten() -> Result<()> {
    let mut scene = scene()?;
    drop(scene.client);
    scene.container.write_all(b"x")?;
    turn(&mut scene.streams)?;
    assert!(scene.streams.outputs[0].readers.is_empty());
    Ok(())
}

/// A container's input pipe and a client that writes to it.
fn input_scene() -> Result<(Streams, File, File, tempfile::TempDir)> {
    let directory = tempfile::tempdir()?;
    let mut streams = Streams::new(Log::open(&directory.path().join("log"))?);
    let (container, sink) = pipe()?;
    streams.connect(Vec::new(), Some(sink));
    let (source, client) = pipe()?;
    let ((_, a), (_, b)) = (pipe()?, pipe()?);
    streams.attach(1, a, b, Some(source));
    Ok((streams, File::from(container), File::from(client), directory))
}

#[test]
fn input_closes_only_when_its_client_said_so() -> Result<()> {
    let (mut streams, mut container, mut client, _directory) = input_scene()?;
    client.write_all(b"typed")?;
    turn(&mut streams)?;
    let mut buffer = [0; 16];
    assert_eq!(container.read(&mut buffer)?, 5);
    drop(client);
    turn(&mut streams)?;
    assert!(streams.input.is_some(), "a lost client must not end the input");
    streams.close_input(1);
    assert!(streams.input.is_none());
    assert_eq!(container.read(&mut buffer)?, 0);
    Ok(())
}

#[test]
fn the_word_may_come_before_the_end_of_the_pipe() -> Result<()> {
    let (mut streams, mut container, mut client, _directory) = input_scene()?;
    client.write_all(b"last words")?;
    streams.close_input(1);
    drop(client);
    turn(&mut streams)?;
    turn(&mut streams)?;
    let mut received = Vec::new();
    container.read_to_end(&mut received).context("the input has ended")?;
    assert_eq!(received, b"last words");
    Ok(())
}
