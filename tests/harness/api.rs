//! An API definition under construction.

use serde_json::{Value, json};

use super::{PluginServer, Upstream};

/// An API definition and the plugin servers of its hooks.
#[derive(Clone)]
pub struct Api {
    pub definition: Value,
    pub hooks: Vec<Hook>,
}

#[derive(Clone)]
pub struct Hook {
    pub key: &'static str,
    pub name: String,
    pub server: PluginServer,
}

/// A keyless API on all paths, in front of this upstream.
pub fn api(upstream: &Upstream) -> Api {
    Api::to(&format!("http://{}/", upstream.address))
}

impl Api {
    pub fn to(target_url: &str) -> Self {
        let definition = json!({
            "name": "API",
            "api_id": "api",
            "org_id": "default",
            "use_keyless": true,
            "proxy": {"listen_path": "/", "target_url": target_url, "strip_listen_path": true},
            "version_data": {"not_versioned": true, "versions": {"Default": {"name": "Default"}}},
        });
        Self { definition, hooks: Vec::new() }
    }

    /// Listens on `/id/`, under this id.
    pub fn named(self, id: &str) -> Self {
        let path = format!("/{id}/");
        self.with(json!({"api_id": id, "name": id, "proxy": {"listen_path": path}}))
    }

    /// Lays `change` over the definition.
    pub fn with(mut self, change: Value) -> Self {
        merge(&mut self.definition, change);
        self
    }

    pub fn pre(self, server: PluginServer) -> Self {
        self.hook("pre", "MyPre", server)
    }

    /// Lets in whom the plugin lets in.
    pub fn auth(self, server: PluginServer) -> Self {
        self.hook("auth_check", "MyAuth", server)
            .with(json!({"use_keyless": false, "custom_plugin_auth_enabled": true}))
    }

    pub fn post_key_auth(self, server: PluginServer) -> Self {
        self.hook("post_key_auth", "MyPostKeyAuth", server)
    }

    pub fn post(self, server: PluginServer) -> Self {
        self.hook("post", "MyPost", server)
    }

    pub fn response(self, server: PluginServer) -> Self {
        self.hook("response", "MyResponse", server)
    }

    pub fn hook(mut self, key: &'static str, name: &str, server: PluginServer) -> Self {
        self.hooks.push(Hook { key, name: name.to_owned(), server });
        self
    }

    /// The definition with its hooks in it; `server` names a hook's plugin server.
    pub fn document(&self, server: impl Fn(&Hook) -> String) -> Value {
        let mut middleware = json!({});
        for hook in &self.hooks {
            middleware["driver"] = "grpc".into();
            let entry = json!({"name": hook.name, "server": server(hook)});
            match hook.key {
                "auth_check" => middleware["auth_check"] = entry,
                key if middleware[key].is_array() => middleware[key].as_array_mut().unwrap().push(entry),
                key => middleware[key] = json!([entry]),
            }
        }
        let mut document = json!({"custom_middleware": middleware});
        merge(&mut document, self.definition.clone());
        document
    }
}

/// Lays `change` over `value`: objects are merged, all else is replaced.
pub fn merge(value: &mut Value, change: Value) {
    match (value, change) {
        (Value::Object(members), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(members.entry(key).or_insert(Value::Null), change);
            }
        }
        (value, change) => *value = change,
    }
}
