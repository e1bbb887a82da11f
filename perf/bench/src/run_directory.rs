//! What DPDK leaves below /run, taken away again

use std::fs;
use std::path::PathBuf;

/// A `--file-prefix` of this process's own. The empty directory that DPDK leaves under that name goes when this is dropped.
#[derive(Debug)]
pub struct RunDirectory {
    prefix: String,
}

impl RunDirectory {
    /// For one run of a program.
    pub fn new(program: &str) -> Self {
        Self {
            prefix: format!("dhp-bench-{}-{program}", std::process::id()),
        }
    }

    /// For DPDK's `--file-prefix`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        // Where DPDK makes it: as root, and as somebody else.
        let user = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        for parent in [
            Some(PathBuf::from("/var/run")),
            user,
            Some(PathBuf::from("/tmp")),
        ]
        .into_iter()
        .flatten()
        {
            // Only if it is empty, and mostly it is not there.
            let _ = fs::remove_dir(parent.join("dpdk").join(&self.prefix));
        }
    }
}
