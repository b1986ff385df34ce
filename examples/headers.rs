//! A Pre hook that edits headers and the query.
//!
//! ```sh
//! cargo run --example headers -- 127.0.0.1:5555        # or unix:/tmp/plugin.sock
//! ```
//!
//! In the API definition:
//!
//! ```json
//! "custom_middleware": {"driver": "grpc", "pre": [{"name": "Headers"}]}
//! ```

use outrigger_plugin::{HookResult, Plugin, Request, ServerError, serve};

struct Headers;

impl Plugin for Headers {
    async fn pre(&self, request: &mut Request) -> HookResult {
        let client = request.header("User-Agent").unwrap_or("unknown").to_owned();
        request.set_header("X-Client", client);
        request.delete_header("Cookie");
        request.add_param("source", "gateway");
        request.delete_param("debug");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), ServerError> {
    let address = std::env::args().nth(1);
    serve(Headers, address.as_deref().unwrap_or("127.0.0.1:5555")).await
}
