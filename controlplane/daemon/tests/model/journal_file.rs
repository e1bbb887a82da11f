//! What a stop leaves of the journal

use std::path::Path;

use crate::reference::Restart;

/// Octets of the record that says that nothing is missing.
const CLOSING_RECORD: usize = 36;

/// Has the journal be as such a stop leaves it.
pub fn leave(path: &Path, how: Restart) {
    match how {
        Restart::Orderly => {}
        Restart::Sudden => {
            let mut octets = std::fs::read(path).expect("the journal");
            octets.truncate(octets.len() - CLOSING_RECORD);
            std::fs::write(path, octets).expect("written");
        }
        Restart::WithoutJournal => std::fs::remove_file(path).expect("the journal"),
    }
}
