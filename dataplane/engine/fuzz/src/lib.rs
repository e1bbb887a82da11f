//! What the fuzz targets share with the worker's tests: the appliance, the model that it is held against, and the scripts
//! that both play
#![forbid(unsafe_code)]
#![expect(
    clippy::new_without_default,
    clippy::should_implement_trait,
    reason = "the tests' modules are public here alone, where clippy holds them for an interface"
)]

#[path = "../../tests/worker/appliance.rs"]
pub mod appliance;
#[path = "../../tests/worker/drops_table.rs"]
pub mod drops_table;
#[path = "../../tests/worker/explained.rs"]
pub mod explained;
#[path = "../../tests/worker/model.rs"]
pub mod model;
#[path = "../../tests/worker/mutation.rs"]
pub mod mutation;
#[path = "../../tests/worker/naive.rs"]
pub mod naive;
#[path = "../../tests/worker/packets.rs"]
pub mod packets;
#[path = "../../tests/worker/pieces.rs"]
pub mod pieces;
#[path = "../../tests/worker/script.rs"]
pub mod script;
#[path = "../../tests/worker/seeds.rs"]
pub mod seeds;
#[path = "../../tests/worker/stage.rs"]
pub mod stage;
#[path = "../../tests/worker/ways.rs"]
pub mod ways;

pub mod pcap;
