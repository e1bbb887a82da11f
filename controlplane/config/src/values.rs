//! The values of a section, each with what was expected in its place

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::duration;
use crate::problem::Problem;
use crate::section::{Located, Section};

const DURATION: &str = "a time such as \"240s\", \"10m\" or \"1h\"";

impl Section<'_> {
    /// A string that `parse` understands.
    pub fn text<T, E: Display>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Located<T>> {
        let value = self.get(key)?;
        self.parse_text(key, value, expected, &parse)
    }

    /// A string whose text may not be shown.
    pub fn secret<T, E: Display>(
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

    /// One of a few words.
    pub fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<Located<T>> {
        let quoted: Vec<String> = words
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        self.text(key, &quoted.join(" or "), |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, meaning)| *meaning).ok_or("not one of them")
        })
    }

    /// A time such as `10m`.
    pub fn duration(&self, key: &'static str) -> Option<Located<Duration>> {
        self.text(key, DURATION, duration::parse)
    }

    /// A lifetime as Binding Updates carry it.
    pub fn lifetime(&self, key: &'static str) -> Option<Located<Duration>> {
        self.text(key, DURATION, |text| {
            let time = duration::parse(text)?;
            // RFC 6275 §6.1.7: units of 4 seconds in 16 bits, all ones for ever.
            if (Duration::from_secs(4)..=Duration::from_secs(4 * 0xfffe)).contains(&time) {
                Ok(time)
            } else {
                Err("4s to 262136s are possible")
            }
        })
    }

    /// A list of strings that `parse` understands.
    pub fn texts<T, E: Display>(
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
    pub fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<Located<u64>> {
        let value = self.get(key)?;
        self.parse_integer(key, value, &range)
    }

    fn parse_integer(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        range: &RangeInclusive<u64>,
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

    /// An integer of one octet.
    pub fn octet(&self, key: &'static str) -> Option<Located<u8>> {
        let number = self.integer(key, 0..=u64::from(u8::MAX))?;
        Some(Located {
            value: u8::try_from(number.value).ok()?,
            span: number.span,
        })
    }

    /// A list of integers of a range.
    pub fn integers(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
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
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
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
}

/// The kind and, where it is short, the value: "the integer 7".
pub(crate) fn described(value: &DeValue<'_>) -> String {
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
