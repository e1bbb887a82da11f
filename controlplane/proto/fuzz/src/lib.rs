//! What fuzzing the anchor needs: scripts of what happens to it, and a second opinion on what it does
#![forbid(unsafe_code)]

pub mod script;
pub mod world;
