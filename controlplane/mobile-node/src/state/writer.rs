//! The thread that writes the file: whoever has something to keep does not wait for the disk.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::file;

/// The thread.
#[derive(Debug)]
pub(super) struct Writer {
    sender: Sender<Vec<u8>>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Begins.
    pub(super) fn start(path: PathBuf) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || write_all(&path, &receiver));
        Self { sender, thread }
    }

    /// Has the file replaced; of several that wait the last one is written.
    pub(super) fn write(&self, octets: Vec<u8>) {
        // It ends with this.
        let _ = self.sender.send(octets);
    }

    /// Waits until everything is on the disk.
    pub(super) fn finish(self) {
        drop(self.sender);
        if self.thread.join().is_err() {
            tracing::error!("the thread that writes the state has panicked");
        }
    }
}

fn write_all(path: &std::path::Path, receiver: &Receiver<Vec<u8>>) {
    let mut failing = false;
    while let Ok(first) = receiver.recv() {
        let last = receiver.try_iter().last().unwrap_or(first);
        let written = file::replace(path, &last);
        if let (Err(error), false) = (&written, failing) {
            tracing::warn!(%error, "{}: the state is not kept", path.display());
        }
        failing = written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_state_is_on_the_disk_when_it_has_finished() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state.json");
        let writer = Writer::start(path.clone());
        for number in 0..100 {
            writer.write(format!("{number}").into_bytes());
        }
        writer.finish();
        assert_eq!(std::fs::read_to_string(path).expect("read"), "99");
    }
}
