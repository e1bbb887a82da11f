//! What of the anchors' signalling is off in a lab unless it is asked for.

use std::path::Path;

use clap::Args;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct SignallingOptions {
    /// A new care-of address gets no more than a credit until the mobile node has echoed a cookie that went there.
    #[arg(long)]
    pub care_of_test: bool,
    /// The anchors keep a journal: a new DHoA is confirmed when the disk has it.
    #[arg(long)]
    pub journal: bool,
}

impl SignallingOptions {
    /// The section of a configuration; with the file that would be the journal. Empty where nothing is asked for.
    pub fn section(self, journal: &Path) -> String {
        let mut lines = String::new();
        if self.care_of_test {
            lines.push_str("care-of-test = \"on\"\n");
        }
        if self.journal {
            lines.push_str(&format!("journal = \"{}\"\n", journal.display()));
        }
        match lines.is_empty() {
            true => lines,
            false => format!("[signalling]\n{lines}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_not_configured() {
        let journal = Path::new("/tmp/journal");
        assert_eq!(SignallingOptions::default().section(journal), "");
        let both = SignallingOptions {
            care_of_test: true,
            journal: true,
        };
        assert_eq!(
            both.section(journal),
            "[signalling]\ncare-of-test = \"on\"\njournal = \"/tmp/journal\"\n\n"
        );
    }
}
