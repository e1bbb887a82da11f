//! Typed reading of a TOML table that goes on after an error, so that all are reported at once

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::Problem;
use crate::suggest::closest;
use crate::values::described;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Octets of the file where it stands.
    pub span: Range<usize>,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// One more.
    pub fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// All of them.
    pub fn into_inner(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One table of the file. Every key that is asked for is known; [`finish`](Self::finish) reports the others.
pub struct Section<'a> {
    /// As it is written: `[anchor]`, `[[pool]]`, or `the file` for what stands outside all tables.
    pub title: String,
    /// Octets of the file where it stands.
    pub span: Range<usize>,
    table: Option<&'a DeTable<'a>>,
    asked: RefCell<BTreeSet<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// What stands outside all tables.
    pub fn root(table: &'a Spanned<DeTable<'a>>, problems: &'a Problems) -> Self {
        Self {
            title: "the file".to_owned(),
            span: 0..0,
            table: Some(table.get_ref()),
            asked: RefCell::default(),
            problems,
        }
    }

    /// Reports a problem of this section.
    pub fn problem(&self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(crate) fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    /// Whether the file has the key, right or wrong.
    pub fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// Where the value of a key stands, if the file has it.
    pub(crate) fn place_of(&self, key: &'static str) -> Option<Range<usize>> {
        self.get(key).map(Spanned::span)
    }

    /// The table `[key]`; an empty one where the file has none.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        let mut section = Section {
            title: format!("[{key}]"),
            span: self.span.clone(),
            table: None,
            asked: RefCell::default(),
            problems: self.problems,
        };
        if let Some(value) = self.get(key) {
            section.span = value.span();
            match value.get_ref() {
                DeValue::Table(table) => section.table = Some(table),
                other => self.problem(Problem::new(
                    value.span(),
                    format!("`{key}` is {}", described(other)),
                    format!("a table, `[{key}]`"),
                )),
            }
        }
        section
    }

    /// The tables `[[key]]`.
    pub fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let wrong = |span: Range<usize>, found: &DeValue<'_>| {
            self.problem(Problem::new(
                span,
                format!("`{key}` is {}", described(found)),
                format!("one or more `[[{key}]]`, with two brackets"),
            ));
        };
        let DeValue::Array(elements) = value.get_ref() else {
            wrong(value.span(), value.get_ref());
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in elements.iter() {
            match element.get_ref() {
                DeValue::Table(table) => sections.push(Section {
                    title: format!("[[{key}]]"),
                    span: element.span(),
                    table: Some(table),
                    asked: RefCell::default(),
                    problems: self.problems,
                }),
                other => wrong(element.span(), other),
            }
        }
        sections
    }

    /// Reports that a key is missing, unless it is there (and then has been reported for what is wrong with it).
    pub fn require<T>(&self, key: &'static str, value: Option<T>, example: &str) -> Option<T> {
        if value.is_none() && !self.has(key) {
            let title = &self.title;
            self.problem(Problem::new(
                self.span.clone(),
                format!("{title} has no `{key}`"),
                format!("this section needs `{key} = {example}`"),
            ));
        }
        value
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self) {
        let Some(table) = self.table else { return };
        let known = self.asked.borrow();
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(name) {
                continue;
            }
            let expected = known.iter().copied().collect::<Vec<_>>().join(", ");
            let mut problem = Problem::new(
                key.span(),
                format!("unknown key `{name}` in {}", self.title),
                format!("known here: {expected}"),
            );
            if let Some(meant) = closest(name, known.iter().copied()) {
                problem = problem.help(format!("did you mean `{meant}`?"));
            }
            self.problems.push(problem);
        }
    }
}
