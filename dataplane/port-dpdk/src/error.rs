//! Why something of DPDK could not be set up

use std::ffi::{CStr, c_int};

/// A step that DPDK refused, on what, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[error("{subject}: {step}: {reason}{}", remedy.as_ref().map(|remedy| format!("; remedy: {remedy}")).unwrap_or_default())]
pub struct DpdkError {
    /// The device, or what else the step was done to.
    pub subject: String,
    /// What was being done, in the words of an operator.
    pub step: &'static str,
    /// DPDK's answer.
    pub reason: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl DpdkError {
    pub(crate) fn new(subject: &str, step: &'static str, reason: impl Into<String>) -> Self {
        Self {
            subject: subject.to_owned(),
            step,
            reason: reason.into(),
            remedy: None,
        }
    }

    /// By an error number, negative or not, as DPDK's functions return it.
    pub(crate) fn from_code(subject: &str, step: &'static str, code: c_int) -> Self {
        Self::new(subject, step, error_text(code))
    }

    /// By `rte_errno`, as the last call of this thread has left it.
    pub(crate) fn last(subject: &str, step: &'static str) -> Self {
        Self::from_code(subject, step, last_errno())
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// DPDK's convention: negative numbers are errors.
pub(crate) fn check(code: c_int, subject: &str, step: &'static str) -> Result<(), DpdkError> {
    if code < 0 {
        return Err(DpdkError::from_code(subject, step, code));
    }
    Ok(())
}

pub(crate) fn last_errno() -> c_int {
    // SAFETY: reads a thread-local integer, which is there without an initialized EAL too.
    unsafe { dpdk_sys::dhp_errno() }
}

fn error_text(code: c_int) -> String {
    // SAFETY: returns a constant, or a buffer of this thread that the next call overwrites; terminated either way.
    let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(code.saturating_abs())) };
    text.to_string_lossy().into_owned()
}
