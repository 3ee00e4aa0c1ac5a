//! Archives of all kinds against a real directory: what comes out, and that nothing gets out.
//!
//! ```text
//!   builder    writes headers by hand: an honest writer would refuse most of these
//!   hostile    names, links and kinds that try to leave the root
//!   faithful   what an archive says is what the tree has: random trees, and all kinds of entries
//! ```

pub(crate) mod builder;
pub(crate) mod faithful;
mod hostile;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use builder::Tar;

/// A directory to unpack into, with something beside it that must never change.
struct Playground {
    dir: tempfile::TempDir,
}

impl Playground {
    fn new() -> Playground {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("fs")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/secret"), "secret").unwrap();
        Playground { dir }
    }

    fn fs(&self, path: &str) -> PathBuf {
        self.dir.path().join("fs").join(path)
    }

    fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    fn unpack(&self, tar: Tar) -> Result<super::Layer, crate::Error> {
        let stream = tar.end();
        let skeleton = Skeleton::new();
        let layer = super::unpack(stream.as_slice(), &self.fs(""), &skeleton.path())?;
        assert!(self.rebuilt(&skeleton) == stream, "the skeleton gives the same stream");
        Ok(layer)
    }

    /// Unpacks a stream that need not be a whole archive.
    fn unpack_bytes(&self, stream: &[u8]) -> Result<super::Layer, crate::Error> {
        super::unpack(stream, &self.fs(""), &Skeleton::new().path())
    }

    /// The stream that a skeleton and the files make.
    fn rebuilt(&self, skeleton: &Skeleton) -> Vec<u8> {
        let mut stream = super::skeleton::Rebuild::new(&self.fs(""), &skeleton.path()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        assert_eq!(stream.size, bytes.len() as u64);
        bytes
    }

    /// Unpacks, and answers the sentence of the error that must come.
    fn refused(&self, tar: Tar) -> String {
        self.unpack(tar).unwrap_err().sentence()
    }
}

/// A place for a skeleton, away from the playground.
struct Skeleton(tempfile::TempDir);

impl Skeleton {
    fn new() -> Skeleton {
        Skeleton(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("skeleton")
    }
}

impl Drop for Playground {
    /// Nothing beside the root has been touched, in any test.
    fn drop(&mut self) {
        let names =
            |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        if !std::thread::panicking() {
            assert_eq!(names(&self.outside()), ["secret"]);
            assert_eq!(fs::read_to_string(self.outside().join("secret")).unwrap(), "secret");
            let meta = fs::metadata(self.outside().join("secret")).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::nlink(&meta), 1);
            assert_eq!(names(self.dir.path()).len(), 2);
        }
    }
}
