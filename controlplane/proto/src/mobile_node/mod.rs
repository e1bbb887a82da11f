//! The mobile node's engine.
