//! Why a configuration cannot be used

use std::fmt;
use std::path::PathBuf;

use annotate_snippets::Level;

use crate::problem::{Problem, ProblemReport};
use crate::source::Source;

/// A configuration that cannot be used: everything that is wrong with it, in the order of the file.
#[derive(Debug)]
pub struct ConfigError {
    source: Source,
    problems: Vec<Problem>,
}

impl ConfigError {
    /// The problems, put into the order of the file.
    pub fn new(source: Source, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        Self { source, problems }
    }

    /// What is wrong.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// As data.
    pub fn reports(&self) -> Vec<ProblemReport> {
        self.problems
            .iter()
            .map(|problem| self.source.report(problem))
            .collect()
    }

    /// For a terminal: with colour, where it has any.
    pub fn render(&self, styled: bool) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&self.source.render(problem, Level::ERROR, styled));
            text.push_str("\n\n");
        }
        let count = self.problems.len();
        let plural = if count == 1 { "" } else { "s" };
        text.push_str(&format!(
            "{}: {count} problem{plural} in the configuration",
            self.source.path.display()
        ));
        text
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigError {}

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {cause}\n  give its place with --config FILE")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// What stands in it is not right.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
}
