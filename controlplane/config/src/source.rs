//! The text of a configuration file, and problems shown in it

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::problem::{Problem, ProblemReport};

/// The keys of the file whose values are secret.
const KEY_NAMES: [&str; 2] = ["key", "home-key"];

/// The text of a configuration file, to show problems in.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Where it was read from.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

impl Source {
    /// A source with the name under which problems are shown. The digits of keys are masked, since problems end up in
    /// logs and bug reports; nothing moves by it.
    pub fn new(path: &Path, text: &str) -> Self {
        let mut masked = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            match line.split_once('=') {
                Some((key, value)) if KEY_NAMES.contains(&key.trim().trim_matches(['"', '\''])) => {
                    masked.push_str(key);
                    masked.push('=');
                    let mask = |character: char| {
                        if character.is_ascii_hexdigit() {
                            '*'
                        } else {
                            character
                        }
                    };
                    masked.extend(value.chars().map(mask));
                }
                _ => masked.push_str(line),
            }
        }
        Self {
            path: path.to_owned(),
            text: masked,
        }
    }

    /// Line and column, both from 1, of an octet of the text.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        (before.matches('\n').count() + 1, column + 1)
    }

    /// The problem as data.
    pub fn report(&self, problem: &Problem) -> ProblemReport {
        let (line, column) = self.line_and_column(problem.span.start);
        ProblemReport {
            file: self.path.clone(),
            line,
            column,
            found: self
                .text
                .get(problem.span.clone())
                .unwrap_or_default()
                .to_owned(),
            message: problem.message.clone(),
            expected: problem.expected.clone(),
            help: problem.help.clone(),
        }
    }

    /// The problem as one that stands in nobody's way.
    pub fn render_warning(&self, problem: &Problem, styled: bool) -> String {
        self.render(problem, Level::WARNING, styled)
    }

    /// The problem as a compiler shows it: the line of the file, the place marked, what was expected.
    pub fn render(&self, problem: &Problem, level: Level<'static>, styled: bool) -> String {
        let path = self.path.to_string_lossy();
        let mut snippet = Snippet::source(self.text.as_str())
            .path(path.as_ref())
            .annotation(
                AnnotationKind::Primary
                    .span(self.clamp(&problem.span))
                    .label(problem.expected.as_str()),
            );
        if let Some((span, label)) = &problem.related {
            snippet = snippet.annotation(
                AnnotationKind::Context
                    .span(self.clamp(span))
                    .label(label.as_str()),
            );
        }
        let mut group = level
            .primary_title(problem.message.as_str())
            .element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if styled {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&[group])
    }

    /// A span that lies in the text, whatever a parser said.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start = start.saturating_sub(1);
        }
        let mut end = span.end.clamp(start, self.text.len());
        while !self.text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        start..end
    }
}
