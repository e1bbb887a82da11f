//! What a stop leaves of the journal

use std::path::Path;

use dhpd::journal::CLOSED_LEN;

use crate::reference::Restart;

/// Has the journal be as such a stop leaves it.
pub fn leave(path: &Path, how: Restart) {
    match how {
        Restart::Orderly => {}
        Restart::Sudden => {
            let mut octets = std::fs::read(path).expect("the journal");
            octets.truncate(octets.len() - CLOSED_LEN);
            std::fs::write(path, octets).expect("written");
        }
        Restart::WithoutJournal => std::fs::remove_file(path).expect("the journal"),
    }
}
