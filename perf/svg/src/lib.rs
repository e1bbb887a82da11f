//! Small plots in SVG: for a page with a style sheet of its own, or as a file that stands alone
//!
//! What is drawn is well-formed XML. Text that is given is escaped here, so that callers need not.
#![forbid(unsafe_code)]

mod document;
mod plot;

pub use document::{COLOURS, Panel, document};
pub use plot::{Plot, number};
