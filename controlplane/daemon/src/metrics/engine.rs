//! What the protocol engine counts

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use dhp_proto::anchor::CounterSample;
use prometheus::{IntCounterVec, Registry, register_int_counter_vec_with_registry};

use super::advance;

/// Families by the engine's names, made when they are first seen.
pub(super) struct EngineMetrics {
    registry: Registry,
    families: Mutex<HashMap<&'static str, IntCounterVec>>,
}

impl EngineMetrics {
    /// None yet.
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            families: Mutex::default(),
        }
    }

    /// Take over what has been counted.
    pub(super) fn update(&self, sample: &CounterSample) {
        if let Err(error) = self.try_update(sample) {
            tracing::error!(%error, metric = sample.name, "a metric cannot be exported");
        }
    }

    fn try_update(&self, sample: &CounterSample) -> Result<(), prometheus::Error> {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = match families.get(sample.name) {
            Some(family) => family.clone(),
            None => {
                let labels: Vec<&str> = sample.labels.iter().map(|(name, _)| *name).collect();
                let family = register_int_counter_vec_with_registry!(
                    exported_name(sample.name),
                    sample.help,
                    &labels,
                    self.registry
                )?;
                families.insert(sample.name, family.clone());
                family
            }
        };
        let values: Vec<&str> = sample
            .labels
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        advance(&family.get_metric_with_label_values(&values)?, sample.value);
        Ok(())
    }
}

/// The name of an engine's counter among those of the daemon.
fn exported_name(name: &str) -> String {
    format!("dmip_{}", name.strip_prefix("dhp_").unwrap_or(name))
}
