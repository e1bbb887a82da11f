//! Mobile nodes on a link of the kernel's: they register, refresh and move, at first among themselves, then in a storm
//!
//! The storm is as large as one core can send; the worker shares the other with the control plane. What the ring of its port loses,
//! if any, it loses of all alike.

use std::time::Duration;

use dhp_wire::mobility::Lifetime;
use serde::Serialize;

use super::scene::Scene;
use super::setting::Setting;
use super::storm;

/// How much, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub mobile_nodes: u32,
    /// Of a binding, which is refreshed after five to six eighths of it.
    pub lifetime: Lifetime,
    /// Of each of the two.
    pub duration: Duration,
    /// First requests in a second of the storm, if the link carries as many.
    pub rate: u32,
    /// When registering is given up.
    pub patience: Duration,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Mobile nodes that got an address and a binding in a second.
    pub registered_per_second: f64,
    pub calm: storm::Measured,
    pub storm: storm::Measured,
}

/// Measure.
///
/// # Errors
/// Without the right to make network namespaces, or when the mobile nodes cannot register.
pub fn measure(plan: Plan, setting: Setting<'_>) -> anyhow::Result<Measured> {
    let crew = (plan.mobile_nodes, 1, plan.lifetime);
    let mut scene = Scene::over_veth(crew, setting, plan.patience)?;
    let registered_per_second = f64::from(plan.mobile_nodes) / scene.registration.as_secs_f64();
    let calm = storm::endure(&mut scene, plan.lifetime, 0, plan.duration)?;
    let storm = storm::endure(&mut scene, plan.lifetime, plan.rate, plan.duration)?;
    scene.site.stop()?;
    Ok(Measured {
        registered_per_second,
        calm,
        storm,
    })
}

#[cfg(test)]
mod tests {
    use super::super::site::Cores;
    use super::*;

    #[test]
    fn mobile_nodes_on_a_link_register_refresh_and_move() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let plan = Plan {
            mobile_nodes: 20,
            lifetime: Lifetime(150),
            duration: Duration::from_millis(300),
            rate: 1_000,
            patience: Duration::from_secs(60),
        };
        let measured = measure(plan, Cores::choose().expect("cores").into()).expect("a link");
        assert!(measured.registered_per_second > 0.0);
        for part in [&measured.calm, &measured.storm] {
            assert!(part.handoffs > 0);
            assert_eq!(part.handoffs_unfinished + part.bindings_lost(), 0);
        }
        assert!(measured.storm.requests_per_second > 0.0);
    }
}
