//! What a stop leaves of the journal

use std::path::Path;

use dhpd::journal::Record;

use crate::reference::Restart;

/// Has the journal be as such a stop leaves it.
pub fn leave(path: &Path, how: Restart) {
    match how {
        Restart::Orderly => {}
        Restart::Sudden => {
            let mut octets = std::fs::read(path).expect("the journal");
            let mut closed = Vec::new();
            Record::Closed.encode(&mut closed);
            octets.truncate(octets.len() - closed.len());
            std::fs::write(path, octets).expect("written");
        }
        Restart::WithoutJournal => std::fs::remove_file(path).expect("the journal"),
    }
}
