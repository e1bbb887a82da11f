//! Where the planes run, and where they keep what is to outlive them

use std::path::Path;

use anyhow::Context;
use dhpd::bell::Bell;
use dhpd::journal::Journal;
use dhpd::signalling::Signalling;
use tempfile::TempDir;

use super::site::Cores;

/// Cores, and a directory for journals, if there are to be any.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub cores: Cores,
    pub journals: Option<&'a Path>,
}

impl From<Cores> for Setting<'_> {
    /// Without a journal.
    fn from(cores: Cores) -> Self {
        Self {
            cores,
            journals: None,
        }
    }
}

/// Has the control plane write a journal of its own below a directory, if there is one. It goes with what is returned.
///
/// # Errors
/// The directory cannot be written.
pub fn keep_journal(
    signalling: &mut Signalling,
    bell: &Bell,
    journals: Option<&Path>,
) -> anyhow::Result<Option<TempDir>> {
    let Some(journals) = journals else {
        return Ok(None);
    };
    let directory = tempfile::tempdir_in(journals)
        .with_context(|| format!("cannot write to {}", journals.display()))?;
    // Nothing was before: no number is lost.
    let (journal, restored) = Journal::open(&directory.path().join("journal"), &[])?;
    // As the daemon does: an answer that waits for the disk leaves when that is so far.
    let bell = bell.clone();
    journal.tell(move || bell.ring());
    signalling.keep_state(journal, restored);
    Ok(Some(directory))
}
