//! The host kernel's routes and neighbours, mirrored for the workers
//!
//! There is no routing or neighbour discovery of our own: the kernel does both (with FRR or BIRD on it, if the user likes),
//! and this module follows it by rtnetlink. [`KernelState`] is what the kernel has, [`plan`] makes of it what the workers
//! shall do, [`changes`] what has become different of that, [`Watcher`] keeps the state current and [`Solicitor`] has the kernel keep in use what only the workers use.

mod decode;
mod follow;
mod kernel;
mod plan;
mod prefixes;
mod solicit;
mod state;
mod watch;

pub use follow::follow;
pub use kernel::{
    Change, Followed, KernelRoute, Link, Neighbour, Reachability, RouteKind, Touched,
};
pub use plan::{
    NextHopFacts, NextHopKey, Plan, PlanChanges, PlannedAction, PlannedRoute, Territory, changes,
    changes_of_territory, plan,
};
pub use prefixes::LongestPrefix;
pub use solicit::{Solicitation, SolicitationKind, Solicitor};
pub use state::KernelState;
pub use watch::{MirrorError, Watcher};
