//! What the binary traffic selectors of both address families are made of (RFC 6088 §3).

use alloc::vec::Vec;
use core::fmt;

use crate::field::octets;

/// Why a selector cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorError {
    /// Its length does not fit its flags.
    Length,
    /// The end of a range is there and its start is not.
    EndWithoutStart,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "traffic selector of a length that does not fit its flags",
            Self::EndWithoutStart => "traffic selector with the end of a range without its start",
        })
    }
}

impl core::error::Error for SelectorError {}

/// A value, or the range from one to another "inclusive of" both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorRange<T> {
    /// The first value.
    pub start: T,
    /// The last value, where it is another field of the selector.
    pub end: Option<T>,
}

impl<T: Copy + PartialOrd> SelectorRange<T> {
    /// One value alone.
    #[must_use]
    pub const fn one(value: T) -> Self {
        Self {
            start: value,
            end: None,
        }
    }

    /// Whether the value lies in the range.
    #[must_use]
    pub fn contains(&self, value: T) -> bool {
        self.start <= value && value <= self.end.unwrap_or(self.start)
    }
}

/// Takes fields in letter order, one flag for each.
pub(super) struct Reader<'a> {
    flags: u16,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of what follows TS Format and its reserved octet: 16 bits of flags, two reserved octets, fields.
    pub(super) fn new(selector: &'a [u8]) -> Result<Self, SelectorError> {
        Ok(Self {
            flags: u16::from_be_bytes(octets(selector, 0).ok_or(SelectorError::Length)?),
            rest: selector.get(4..).ok_or(SelectorError::Length)?,
        })
    }

    /// Nothing is left over.
    pub(super) const fn end(&self) -> Result<(), SelectorError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(SelectorError::Length)
        }
    }

    pub(super) fn range<T, const N: usize>(
        &mut self,
        read: impl Fn([u8; N]) -> T,
    ) -> Result<Option<SelectorRange<T>>, SelectorError> {
        let start = self.field::<N>()?.map(&read);
        let end = self.field::<N>()?.map(&read);
        match (start, end) {
            (Some(start), end) => Ok(Some(SelectorRange { start, end })),
            (None, None) => Ok(None),
            // "This field MUST NOT be included unless the Start ... field is included."
            (None, Some(_)) => Err(SelectorError::EndWithoutStart),
        }
    }

    fn field<const N: usize>(&mut self) -> Result<Option<[u8; N]>, SelectorError> {
        let present = self.flags & 0x8000 != 0;
        self.flags <<= 1;
        if !present {
            return Ok(None);
        }
        let (field, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(SelectorError::Length)?;
        self.rest = rest;
        Ok(Some(*field))
    }
}

/// Puts fields in letter order.
#[derive(Default)]
pub(super) struct Writer {
    flags: u32,
    flags_put: u32,
    fields: Vec<u8>,
}

impl Writer {
    /// The selector: the flag of the first field is the highest bit.
    pub(super) fn into_octets(self) -> Vec<u8> {
        let flags = self.flags << (16 - self.flags_put.min(16));
        let mut out = Vec::with_capacity(4 + self.fields.len());
        out.extend(u16::try_from(flags).unwrap_or_default().to_be_bytes());
        out.extend([0, 0]);
        out.extend(self.fields);
        out
    }

    pub(super) fn range<T: Copy, const N: usize>(
        &mut self,
        range: Option<SelectorRange<T>>,
        write: impl Fn(T) -> [u8; N],
    ) {
        for field in [
            range.map(|range| range.start),
            range.and_then(|range| range.end),
        ] {
            self.flags = self.flags << 1 | u32::from(field.is_some());
            self.flags_put += 1;
            self.fields.extend(field.map(&write).into_iter().flatten());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive() {
        let range = SelectorRange {
            start: 10u16,
            end: Some(12),
        };
        assert_eq!(
            [9, 10, 12, 13].map(|port| range.contains(port)),
            [false, true, true, false]
        );
        assert!(SelectorRange::one(5).contains(5) && !SelectorRange::one(5).contains(6));
    }
}
