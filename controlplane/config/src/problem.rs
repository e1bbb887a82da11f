//! What is wrong with a configuration, and where

use std::ops::Range;
use std::path::PathBuf;

use serde::Serialize;

/// One thing that is wrong, at one place of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Octets of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong, with the value.
    pub message: String,
    /// What was expected there.
    pub expected: String,
    /// Where the value clashes with another: that place, and what stands there.
    pub related: Option<(Range<usize>, String)>,
    /// How to mend it, where that is not obvious.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with what was found and what was expected.
    pub fn new(
        span: Range<usize>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            span,
            message: message.into(),
            expected: expected.into(),
            related: None,
            help: None,
        }
    }

    /// Points also at the other place.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }

    /// Adds a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A problem as data, for `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemReport {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The text of the file that it is about, keys masked.
    pub found: String,
    /// What is wrong.
    pub message: String,
    /// What was expected.
    pub expected: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}
