//! Why something on a Linux interface could not be set up

use std::io;

/// A step that the kernel refused, and on which interface.
#[derive(Debug, thiserror::Error)]
#[error("{interface}: {step}: {source}{}", advice(source))]
pub struct SetupError {
    /// What was being done, in the words of an operator.
    pub step: &'static str,
    /// The interface, or what else the step was done to.
    pub interface: String,
    /// The kernel's answer.
    pub source: io::Error,
}

/// Adds the interface and the step to a system error.
pub(crate) trait Context<T> {
    fn context(self, interface: &str, step: &'static str) -> Result<T, SetupError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, interface: &str, step: &'static str) -> Result<T, SetupError> {
        self.map_err(|error| SetupError {
            step,
            interface: interface.to_owned(),
            source: error.into(),
        })
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => " (CAP_NET_RAW and CAP_NET_ADMIN are needed)",
        _ => "",
    }
}
