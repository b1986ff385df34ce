//! A Response hook that rewrites the JSON which the upstream answers with.
//!
//! ```sh
//! cargo run --example rewrite_json -- 127.0.0.1:5555        # or unix:/tmp/plugin.sock
//! ```
//!
//! In the API definition:
//!
//! ```json
//! "custom_middleware": {"driver": "grpc", "response": [{"name": "RewriteJson"}]}
//! ```

use outrigger_plugin::{HookResult, Plugin, Response, ServerError, SessionRequest, serve};
use serde_json::{Map, Value};

struct RewriteJson;

impl Plugin for RewriteJson {
    async fn response(&self, request: &SessionRequest, response: &mut Response) -> HookResult {
        // Not an object, not JSON or compressed: none of our business.
        let Ok(mut answer) = response.json::<Map<String, Value>>() else {
            return Ok(());
        };
        answer.remove("password");
        answer.insert("served_by".to_owned(), request.api_id().into());
        response.set_json(&answer)?;
        // It named the upstream's bytes.
        response.remove_header("Etag");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), ServerError> {
    let address = std::env::args().nth(1);
    serve(RewriteJson, address.as_deref().unwrap_or("127.0.0.1:5555")).await
}
