//! `/metrics` for Prometheus and `/healthz` for whoever probes

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::inspector::Inspector;

/// The routes.
pub fn router(inspector: Arc<Inspector>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .with_state(inspector)
}

async fn metrics(State(inspector): State<Arc<Inspector>>) -> Response {
    match inspector.metrics_text().await {
        // https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response(),
    }
}

/// 200 as long as the daemon works, degraded or not; 503 when its control plane has stopped.
async fn healthz(State(inspector): State<Arc<Inspector>>) -> Response {
    match inspector.health(Instant::now()).await {
        Ok(health) => Json(health).into_response(),
        Err(stopped) => (StatusCode::SERVICE_UNAVAILABLE, stopped.to_string()).into_response(),
    }
}
