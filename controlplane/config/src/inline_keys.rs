//! Keys that stand in the configuration itself

use std::fs::Metadata;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use crate::problem::Problem;

/// The keys that stand in the configuration itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InlineKeys {
    /// Where the first one stands.
    first: Option<Range<usize>>,
    count: usize,
}

impl InlineKeys {
    /// One that stands there, if it does.
    pub fn note(&mut self, place: Option<&Range<usize>>) {
        self.count += usize::from(place.is_some());
        if self.first.is_none() {
            self.first = place.cloned();
        }
    }

    /// What an operator should know: every user of the machine may read the file, and the keys in it.
    pub fn exposed(&self, file: &Metadata) -> Option<Problem> {
        let mode = file.mode() & 0o7777;
        let first = self.first.clone().filter(|_| mode & 0o004 != 0)?;
        let message = match self.count {
            1 => "a key stands".to_owned(),
            count => format!("{count} keys stand"),
        };
        let message =
            format!("{message} in this file, which every user may read: it has mode {mode:04o}");
        let problem = Problem::new(first, message, "a key in a file of its own, or mode 0600");
        Some(problem.help("chmod o-r this file; or home-key-file, key-file in place of the digits"))
    }
}
