//! A CustomKeyCheck hook: callers are known by an API key, the keys are in the API definition.
//!
//! ```sh
//! cargo run --example api_key -- 127.0.0.1:5555        # or unix:/tmp/plugin.sock
//! curl -H 'X-Api-Key: s3cret' http://localhost:8080/orders/
//! ```
//!
//! In the API definition:
//!
//! ```json
//! "use_keyless": false,
//! "custom_plugin_auth_enabled": true,
//! "custom_middleware": {
//!   "driver": "grpc",
//!   "auth_check": {"name": "ApiKey"},
//!   "id_extractor": {
//!     "extract_from": "header", "extract_with": "value",
//!     "extractor_config": {"header_name": "X-Api-Key"}
//!   }
//! },
//! "config_data": {"keys": {"s3cret": "jane"}}
//! ```
//!
//! Thanks to the id extractor the gateway calls this hook once a minute for each key, and not for
//! each request. Requests without the header get 400 and do not come here.

use std::collections::HashMap;
use std::time::Duration;

use outrigger_plugin::{AuthRequest, HookResult, Plugin, ServerError, Session, serve};

#[derive(serde::Deserialize)]
struct Config {
    /// Who owns each key.
    keys: HashMap<String, String>,
}

struct ApiKey;

impl Plugin for ApiKey {
    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        let config: Config = request.config()?;
        let Some((key, owner)) = request.header("X-Api-Key").and_then(|key| config.keys.get_key_value(key)) else {
            return request.reject(401, "a valid API key is needed");
        };
        let session = Session::new(key).alias(owner).rate(100, Duration::from_secs(60));
        request.allow(session.cache_for(Duration::from_secs(60)).lifetime(Duration::from_secs(3600)))
    }
}

#[tokio::main]
async fn main() -> Result<(), ServerError> {
    // Errors that clients are not told about, such as a missing config_data.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let address = std::env::args().nth(1);
    serve(ApiKey, address.as_deref().unwrap_or("127.0.0.1:5555")).await
}
