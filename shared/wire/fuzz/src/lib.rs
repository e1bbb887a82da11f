//! What the fuzz targets share with the wire formats' tests: what must hold for any octets
#![forbid(unsafe_code)]

#[path = "../../tests/support/checks.rs"]
pub mod checks;
