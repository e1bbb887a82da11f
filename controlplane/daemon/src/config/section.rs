//! Typed reading of a TOML table that goes on after an error, so that all are reported at once

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::suggest::closest;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    pub(super) fn into_inner(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One table of the file. Every key that is asked for is known; [`finish`](Self::finish) reports the others.
pub(super) struct Section<'a> {
    /// As it is written: `[anchor]`, `[[pool]]`, or `the file` for what stands outside all tables.
    pub(super) title: String,
    pub(super) span: Range<usize>,
    table: Option<&'a DeTable<'a>>,
    asked: RefCell<BTreeSet<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    pub(super) fn root(table: &'a Spanned<DeTable<'a>>, problems: &'a Problems) -> Self {
        Self {
            title: "the file".to_owned(),
            span: 0..0,
            table: Some(table.get_ref()),
            asked: RefCell::default(),
            problems,
        }
    }

    pub(super) fn problem(&self, problem: Problem) {
        self.problems.push(problem);
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// The table `[key]`; an empty one where the file has none.
    pub(super) fn section(&self, key: &'static str) -> Section<'a> {
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
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
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

    /// A string that `parse` understands.
    pub(super) fn text<T, E: Display>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        let value = self.get(key)?;
        self.parse_text(key, value, expected, &parse)
    }

    /// A string whose text may not be shown.
    pub(super) fn secret<T, E: Display>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        let value = self.get(key)?;
        let span = value.span();
        let DeValue::String(text) = value.get_ref() else {
            let message = format!("`{key}` is not in quotes");
            self.problem(Problem::new(span, message, expected));
            return None;
        };
        match parse(text) {
            Ok(value) => Some(Located { value, span }),
            Err(error) => {
                self.problem(Problem::new(span, format!("`{key}`: {error}"), expected));
                None
            }
        }
    }

    fn parse_text<T, E: Display>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        expected: &str,
        parse: &impl Fn(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        let span = value.span();
        let DeValue::String(text) = value.get_ref() else {
            self.problem(Problem::new(
                span,
                format!("`{key}` is {}", described(value.get_ref())),
                format!("{expected}, in quotes"),
            ));
            return None;
        };
        match parse(text) {
            Ok(value) => Some(Located { value, span }),
            Err(error) => {
                self.problem(Problem::new(
                    span,
                    format!("`{key} = \"{text}\"`: {error}"),
                    expected,
                ));
                None
            }
        }
    }

    /// A list of strings that `parse` understands.
    pub(super) fn texts<T, E: Display>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<Located<T>>> {
        let value = self.get(key)?;
        let DeValue::Array(elements) = value.get_ref() else {
            self.problem(Problem::new(
                value.span(),
                format!("`{key}` is {}", described(value.get_ref())),
                format!("a list of {expected}, in square brackets"),
            ));
            return None;
        };
        let parsed = elements
            .iter()
            .filter_map(|element| self.parse_text(key, element, expected, &parse));
        Some(parsed.collect())
    }

    /// An integer of a range.
    pub(super) fn integer(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Located<u64>> {
        let value = self.get(key)?;
        self.parse_integer(key, value, &range)
    }

    fn parse_integer(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        range: &std::ops::RangeInclusive<u64>,
    ) -> Option<Located<u64>> {
        let span = value.span();
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        let DeValue::Integer(digits) = value.get_ref() else {
            let message = format!("`{key}` is {}", described(value.get_ref()));
            self.problem(Problem::new(span, message, expected));
            return None;
        };
        match u64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(value) if range.contains(&value) => Some(Located { value, span }),
            _ => {
                let message = format!("`{key} = {digits}` is out of range");
                self.problem(Problem::new(span, message, expected));
                None
            }
        }
    }

    /// A list of integers of a range.
    pub(super) fn integers(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<Located<Vec<u64>>> {
        let value = self.get(key)?;
        let span = value.span();
        let DeValue::Array(elements) = value.get_ref() else {
            self.problem(Problem::new(
                span,
                format!("`{key}` is {}", described(value.get_ref())),
                format!(
                    "a list of integers from {} to {}",
                    range.start(),
                    range.end()
                ),
            ));
            return None;
        };
        let parsed = elements
            .iter()
            .filter_map(|element| self.parse_integer(key, element, &range));
        Some(Located {
            value: parsed.map(|integer| integer.value).collect(),
            span,
        })
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        if let DeValue::Boolean(flag) = value.get_ref() {
            return Some(*flag);
        }
        self.problem(Problem::new(
            value.span(),
            format!("`{key}` is {}", described(value.get_ref())),
            "true or false, without quotes",
        ));
        None
    }

    /// Reports that a key is missing, unless it is there (and then has been reported for what is wrong with it).
    pub(super) fn require<T>(
        &self,
        key: &'static str,
        value: Option<T>,
        example: &str,
    ) -> Option<T> {
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
    pub(super) fn finish(self) {
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

/// The kind and, where it is short, the value: "the integer 7".
fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(digits) => format!("the integer {digits}"),
        DeValue::Float(digits) => format!("the number {digits}"),
        DeValue::Boolean(flag) => format!("the truth value {flag}"),
        DeValue::Datetime(time) => format!("the date {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
