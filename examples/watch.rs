//! An event handler that writes down who was refused.
//!
//! ```sh
//! cargo run --example watch -- 127.0.0.1:5555        # or unix:/tmp/plugin.sock
//! ```
//!
//! In the API definition:
//!
//! ```json
//! "custom_middleware": {"driver": "grpc"},
//! "event_handlers": {"events": {
//!   "AuthFailure": [{"handler_name": "cp_dynamic_handler", "handler_meta": {"name": "Watch"}}],
//!   "RatelimitExceeded": [{"handler_name": "cp_dynamic_handler", "handler_meta": {"name": "Watch"}}]
//! }}
//! ```

use outrigger_plugin::{Event, Plugin, ServerError, serve};
use tracing::warn;

struct Watch;

impl Plugin for Watch {
    async fn on_event(&self, event: Event) {
        // The key is a secret: it stays out of the log.
        let (path, client) = (event.path().unwrap_or_default(), event.client().unwrap_or_default());
        warn!(api = event.api_id, path, client, at = event.timestamp, "{}", event.name);
    }
}

#[tokio::main]
async fn main() -> Result<(), ServerError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let address = std::env::args().nth(1);
    serve(Watch, address.as_deref().unwrap_or("127.0.0.1:5555")).await
}
