//! The state that outlives the agent: what anchors have granted, in a small file.
//!
//! A socket keeps its home address over a restart because the tunnel interface stays, with its addresses; the file is what the next
//! agent needs to go on as the same mobile node.

mod file;
mod moment;
mod record;
mod writer;

use std::path::Path;

use dhp_proto::mobile_node::Kept;
use dhp_proto::time::Now;

pub use file::StateError;
use moment::Moment;
use record::Record;
use writer::Writer;

/// The file of a running agent, written by a thread of its own.
#[derive(Debug)]
pub struct StateFile {
    mn_id: String,
    writer: Writer,
    /// What was given to the writer last.
    written: Option<Kept>,
}

impl StateFile {
    /// Begins to keep the state of the mobile node `mn_id`.
    pub fn new(path: &Path, mn_id: &str) -> Self {
        Self {
            mn_id: mn_id.to_owned(),
            writer: Writer::start(path.to_owned()),
            written: None,
        }
    }

    /// What an agent of the same mobile node has kept; `None`: nothing. Times are on the clock of `now`.
    ///
    /// # Errors
    /// Why the file cannot be believed.
    pub fn load(path: &Path, mn_id: &str, now: Now) -> Result<Option<Kept>, StateError> {
        let Some(octets) = file::read(path)? else {
            return Ok(None);
        };
        let record: Record = serde_json::from_slice(&octets)
            .map_err(|error| StateError::Content(error.to_string()))?;
        record.into_kept(mn_id, now, &Moment::read()?).map(Some)
    }

    /// Has the state written, if what was written last no longer serves.
    pub fn keep(&mut self, now: Now, kept: Kept) {
        let serves = |written: &Kept| !kept.outdates(written);
        if self.written.as_ref().is_some_and(serves) {
            return;
        }
        match Moment::read() {
            Ok(moment) => {
                let record = Record::new(&self.mn_id, &kept, now, moment);
                // The record is plain data, and so always has a text.
                self.writer
                    .write(serde_json::to_vec(&record).unwrap_or_default());
                self.written = Some(kept);
            }
            Err(error) => tracing::warn!(%error, "the state is not kept"),
        }
    }

    /// Waits until all of it is on the disk.
    pub fn finish(self) {
        self.writer.finish();
    }

    /// Removes the file of an agent that does not run.
    pub fn remove_at(path: &Path) {
        file::remove(path);
    }
}
