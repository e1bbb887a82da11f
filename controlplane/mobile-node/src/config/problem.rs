//! What is wrong with a configuration, and where it stands in the file.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Octets of the file that it is about.
    pub span: Range<usize>,
    /// What is wrong, with the value.
    pub message: String,
    /// What was expected there.
    pub expected: String,
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
        }
    }
}

/// Why a configuration file cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It can be read, but not be used.
    Wrong {
        /// The file.
        path: PathBuf,
        /// What stands in it.
        text: String,
        /// All that is wrong.
        problems: Vec<Problem>,
    },
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(f, "{}: {source}", path.display())
            }
            Self::Wrong {
                path,
                text,
                problems,
            } => {
                for (index, problem) in problems.iter().enumerate() {
                    if index > 0 {
                        f.write_str("\n\n")?;
                    }
                    f.write_str(&render(&path.to_string_lossy(), text, problem))?;
                }
                Ok(())
            }
        }
    }
}

/// The problem as a compiler shows it: file, line, the place marked, what was expected.
fn render(path: &str, text: &str, problem: &Problem) -> String {
    let mut start = problem.span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start = start.saturating_sub(1);
    }
    let mut end = problem.span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let annotation = AnnotationKind::Primary
        .span(start..end)
        .label(problem.expected.as_str());
    let snippet = Snippet::source(text).path(path).annotation(annotation);
    let report = Level::ERROR
        .primary_title(problem.message.as_str())
        .element(snippet);
    Renderer::plain().render(&[report])
}
