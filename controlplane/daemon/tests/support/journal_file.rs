//! A journal as a process leaves it

use std::path::Path;

use dhpd::journal::Record;

/// Has the file be as a process leaves it that is killed: it was closed in order, and now was not.
pub fn without_the_end(path: &Path) {
    let mut file = std::fs::read(path).expect("the journal");
    let mut closed = Vec::new();
    Record::Closed.encode(&mut closed);
    assert!(file.ends_with(&closed));
    file.truncate(file.len() - closed.len());
    std::fs::write(path, file).expect("written");
}
