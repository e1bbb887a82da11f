//! Configuration files in TOML, as `dhpd` and `dhp-mn` read them
//!
//! [`read`] gives the file's [`Section`]s to whoever knows what belongs there; each of them reads typed values and goes on after
//! an error, so that everything that is wrong is reported at once: line, value, what was expected, remedy.

#![forbid(unsafe_code)]

mod association;
mod duration;
mod error;
mod inline_keys;
mod key;
mod key_file;
mod networks;
mod problem;
mod read;
mod section;
mod source;
mod suggest;
mod values;

pub use association::{Association, KeySource};
pub use duration::parse as parse_duration;
pub use error::{ConfigError, LoadError};
pub use inline_keys::InlineKeys;
pub use key::{KeyError, LONGEST_KEY, SHORTEST_KEY};
pub use key_file::KeyFileError;
pub use problem::{Problem, ProblemReport};
pub use read::read;
pub use section::{Located, Problems, Section};
pub use source::Source;
pub use suggest::closest;
