//! An operator's files and environment.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::PluginServer;
use super::api::{Api, merge};

/// What the gateway is started with.
pub struct Setup {
    conf: Value,
    apis: Vec<Api>,
    files: Vec<(String, String)>,
    pub env: Vec<(String, String)>,
}

impl From<Api> for Setup {
    fn from(api: Api) -> Self {
        Self::new().api(api)
    }
}

impl Setup {
    /// Any free port of loopback, no API.
    pub fn new() -> Self {
        let conf = json!({"listen_address": "127.0.0.1", "listen_port": 0});
        Self { conf, apis: Vec::new(), files: Vec::new(), env: Vec::new() }
    }

    pub fn api(mut self, api: Api) -> Self {
        self.apis.push(api);
        self
    }

    /// Lays `change` over `tyk.conf`.
    pub fn conf(mut self, change: Value) -> Self {
        merge(&mut self.conf, change);
        self
    }

    /// Writes a file as it is, `tyk.conf` or one in `apps/`, in place of ours.
    pub fn file(mut self, name: &str, text: impl Into<String>) -> Self {
        self.files.push((name.to_owned(), text.into()));
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Writes everything into a folder of its own.
    pub fn write(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let apps = folder.path().join("apps");
        fs::create_dir(&apps).unwrap();
        write(&folder.path().join("tyk.conf"), &self.conf_document(&apps));
        for api in &self.apis {
            let document = api.document(|hook| self.server_name(&hook.server));
            write(&apps.join(format!("{}.json", document["api_id"].as_str().unwrap())), &document);
        }
        for (name, text) in &self.files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    /// The servers of all hooks, each once: the first is the default one.
    fn servers(&self) -> Vec<&PluginServer> {
        let mut servers: Vec<&PluginServer> = Vec::new();
        for server in self.apis.iter().flat_map(|api| &api.hooks).map(|hook| &hook.server) {
            if servers.iter().all(|known| known.address != server.address) {
                servers.push(server);
            }
        }
        servers
    }

    fn server_name(&self, server: &PluginServer) -> String {
        match self.servers().iter().position(|known| known.address == server.address) {
            Some(0) => String::new(),
            at => format!("server-{}", at.unwrap()),
        }
    }

    fn conf_document(&self, apps: &Path) -> Value {
        let mut conf = json!({"app_path": apps});
        let servers = self.servers();
        if let Some((default, others)) = servers.split_first() {
            let named = |server: &&PluginServer| (self.server_name(server), json!({"endpoints": [server.address]}));
            conf["coprocess_options"] = json!({
                "enable_coprocess": true,
                "coprocess_grpc_server": default.address,
                "plugin_servers": others.iter().map(named).collect::<serde_json::Map<_, _>>(),
            });
        }
        merge(&mut conf, self.conf.clone());
        conf
    }
}

fn write(file: &Path, document: &Value) {
    fs::write(file, format!("{document:#}\n")).unwrap();
}
