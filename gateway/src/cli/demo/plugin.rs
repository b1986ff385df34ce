//! The demo's plugin server: one small act per hook.

use std::io::Read;
use std::time::Duration;

use outrigger_plugin::{AuthRequest, HookResult, Plugin, Request, Response, Server, Session, SessionRequest};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::CliError;
use crate::cli::serve::runtime;

struct Demo;

/// For how long the gateway need not ask again who is calling.
const FRESH: Duration = Duration::from_secs(60);

/// The API definition's `config_data`.
#[derive(Deserialize)]
struct Config {
    key: String,
}

impl Plugin for Demo {
    async fn pre(&self, request: &mut Request) -> HookResult {
        if request.path().ends_with("/teapot") {
            return request.reject(418, "short and stout");
        }
        request.set_header("X-Demo", "seen by a plugin");
        Ok(())
    }

    async fn auth(&self, request: &mut AuthRequest) -> HookResult {
        let key = request.config::<Config>()?.key;
        if request.header("Authorization") != Some(&key) {
            return request.reject(401, "the key is open-sesame");
        }
        request.allow(Session::new(key).alias("Ali Baba").cache_for(FRESH))
    }

    async fn post_key_auth(&self, request: &mut SessionRequest) -> HookResult {
        let caller = request.session().map(|session| session.alias().to_owned());
        request.set_header("X-Caller", caller.unwrap_or_default());
        request.delete_header("Authorization");
        Ok(())
    }

    async fn post(&self, request: &mut SessionRequest) -> HookResult {
        request.add_param("from", "outrigger");
        Ok(())
    }

    async fn response(&self, request: &SessionRequest, response: &mut Response) -> HookResult {
        if request.path().ends_with("/json") {
            let mut document: Value = response.json()?;
            document["added"] = "by a Response hook".into();
            response.set_json(&document)?;
        }
        Ok(())
    }
}

/// Serves until standard input closes, so that the demo never leaves it behind.
#[allow(clippy::print_stdout)]
pub(in crate::cli) fn run() -> Result<(), CliError> {
    let failed = |error: outrigger_plugin::ServerError| CliError::Demo(error.to_string());
    runtime()?.block_on(async {
        let bound = Server::new().plugin(Demo).bind("127.0.0.1:0").await.map_err(failed)?;
        println!("{}", bound.address());
        bound.run(parent_gone()).await.map_err(failed)
    })
}

async fn parent_gone() {
    let (gone, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = gone.send(());
    });
    let _ = told.await;
}
