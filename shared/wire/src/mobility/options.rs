//! The chain of mobility options (RFC 6275 §6.2.1).

use core::fmt;

use super::option::{AuthOption, MobilityOption};
use crate::codepoints::{auth_subtype, mobility_option};
use crate::field::u8_at;

/// What is wrong with one option whose place in the chain is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionErrorReason {
    /// A length that the option cannot have.
    Length,
    /// A field with a value that it cannot have.
    Value,
}

/// A malformed option: the message can still be authenticated, and be answered with what its protocol has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionError {
    /// The option's type.
    pub kind: u8,
    /// The subtype, if it is a DMIPv6 option that has one.
    pub subtype: Option<u8>,
    /// Offset of the type from the Mobility Header's first octet.
    pub offset: usize,
    /// What is wrong.
    pub reason: OptionErrorReason,
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.reason {
            OptionErrorReason::Length => "length",
            OptionErrorReason::Value => "value",
        };
        write!(
            f,
            "mobility option {} at octet {}: wrong {what}",
            self.kind, self.offset
        )
    }
}

impl core::error::Error for OptionError {}

/// One option as the chain has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawOption<'a> {
    pub kind: u8,
    pub data: &'a [u8],
    /// From the Mobility Header's first octet to the option's type.
    pub offset: usize,
    /// From there to the octet behind the option.
    pub end: usize,
}

/// The options of a message, whose chain has been found sound: every option ends within the header.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    header: &'a [u8],
    start: usize,
    dmip_option: u8,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Options<'a> {
    /// Walks the chain once; the error is the offset of the option that reaches beyond the header.
    pub(super) fn new(header: &'a [u8], start: usize, dmip_option: u8) -> Result<Self, usize> {
        let mut at = start;
        while at < header.len() {
            at = next_option(header, at).ok_or(at)?.1;
        }
        Ok(Self {
            header,
            start,
            dmip_option,
        })
    }

    /// The options in their order, padding left out.
    #[must_use]
    pub fn iter(&self) -> OptionIter<'a> {
        OptionIter {
            options: *self,
            at: self.start,
        }
    }

    /// The first well-formed authentication option between mobile node and home agent (RFC 4285 §5.1). No other option is read.
    #[must_use]
    pub fn auth(&self) -> Option<AuthOption<'a>> {
        let mut options = self.iter();
        loop {
            let raw = options.next_raw()?;
            if raw.kind == mobility_option::AUTH
                && let Ok(MobilityOption::Auth(auth)) = self.read(&raw)
                && auth.subtype == auth_subtype::MN_HA
            {
                return Some(auth);
            }
        }
    }

    fn read(&self, raw: &RawOption<'a>) -> Result<MobilityOption<'a>, OptionError> {
        let mut decoded = MobilityOption::decode(raw, self.dmip_option);
        let is_end = raw.end == self.header.len();
        match &mut decoded {
            Ok(MobilityOption::Auth(auth)) => {
                auth.ends_header = is_end;
                auth.is_last = self.only_padding_from(raw.end);
            }
            Ok(MobilityOption::BindingAuthorizationData { ends_header, .. }) => {
                *ends_header = is_end;
            }
            _ => {}
        }
        decoded
    }

    /// Whether nothing but padding stands at and behind `at`.
    fn only_padding_from(&self, at: usize) -> bool {
        OptionIter { options: *self, at }.next_raw().is_none()
    }
}

impl<'a> IntoIterator for &Options<'a> {
    type Item = Result<MobilityOption<'a>, OptionError>;
    type IntoIter = OptionIter<'a>;

    fn into_iter(self) -> OptionIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Options`].
#[derive(Clone, Debug)]
pub struct OptionIter<'a> {
    options: Options<'a>,
    at: usize,
}

impl<'a> OptionIter<'a> {
    fn next_raw(&mut self) -> Option<RawOption<'a>> {
        while self.at < self.options.header.len() {
            let (option, end) = next_option(self.options.header, self.at)?;
            self.at = end;
            // RFC 6275 §6.2.3: "PadN Option data MUST be ignored by the receiver."
            if !matches!(option.kind, mobility_option::PAD1 | mobility_option::PADN) {
                return Some(option);
            }
        }
        None
    }
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = Result<MobilityOption<'a>, OptionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = self.next_raw()?;
        Some(self.options.read(&raw))
    }
}

/// The option at `at` and where the next one begins; nothing if it reaches beyond the header.
pub(super) fn next_option(header: &[u8], at: usize) -> Option<(RawOption<'_>, usize)> {
    let kind = u8_at(header, at)?;
    // RFC 6275 §6.2.2: Pad1 "has neither Option Length nor Option Data fields".
    if kind == mobility_option::PAD1 {
        return Some((
            RawOption {
                kind,
                data: &[],
                offset: at,
                end: at + 1,
            },
            at + 1,
        ));
    }
    let end = at + 2 + usize::from(u8_at(header, at + 1)?);
    let data = header.get(at + 2..end)?;
    Some((
        RawOption {
            kind,
            data,
            offset: at,
            end,
        },
        end,
    ))
}
