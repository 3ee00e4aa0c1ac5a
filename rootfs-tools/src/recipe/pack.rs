//! From a tree to a tar archive: GNU headers, sorted, root's, one time; the same tree is the same bytes.
//!
//! ```text
//! tree in memory ── sorted, times fixed ──> tar stream ── import, as any archive
//! ```

use std::io;

use tar::{Builder, EntryType, Header};

use super::{Node, Tree};

/// The archive, in memory: recipes are small.
pub(super) fn pack(tree: &Tree) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (path, node) in &tree.nodes {
        append(&mut builder, path, node, tree.time)?;
    }
    builder.into_inner()
}

fn append(builder: &mut Builder<Vec<u8>>, path: &str, node: &Node, time: u64) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(0);
    match node {
        Node::Directory { mode } => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(*mode);
            builder.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Node::File { mode, content } => {
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            builder.append_data(&mut header, path, content.as_slice())
        }
        Node::Link { target } => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            builder.append_link(&mut header, path, target)
        }
    }
}
