//! `storage` of `tyk.conf`: where sessions and counters live, and how Redis is reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use super::written;
use super::{ConfigError, Origins};
use crate::json::short;

/// Where sessions and counters live.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In this folder.
    Embedded(PathBuf),
    /// In Redis.
    Redis(Redis),
}

/// How Redis is reached.
#[derive(Clone, Debug)]
pub struct Redis {
    /// Which servers, and what they are to each other.
    pub servers: Servers,
    /// Whom the servers know us as, if not as their default user.
    pub username: Option<String>,
    /// The password that goes with it.
    pub password: Option<Secret>,
    /// The number of the database; 0 in a cluster.
    pub database: i64,
    /// How long a connection, and how long a command, may take.
    pub timeout: Duration,
    /// TLS, if the servers speak it.
    pub tls: Option<RedisTls>,
}

/// The servers, and what they are to each other.
#[derive(Clone, Debug)]
pub enum Servers {
    /// One server.
    Single(Server),
    /// Sentinels that know the master.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Server>,
        /// What they call the master.
        master: String,
        /// What the sentinels want to hear.
        password: Option<Secret>,
    },
    /// Some nodes of a cluster; they know the others.
    Cluster(Vec<Server>),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

/// TLS to Redis; everything is PEM.
#[derive(Clone, Debug)]
pub struct RedisTls {
    /// The authorities to trust, in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// What is shown to servers that ask for a certificate.
    pub client: Option<ClientCertificate>,
    /// Whether the server's certificate is verified.
    pub verify: bool,
}

/// A client's certificate, as PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain.
    pub chain: Vec<u8>,
    /// The key.
    pub key: Secret<Vec<u8>>,
}

/// A value that no message shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T = String>(pub T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// What nodes tell each other through Redis.
#[derive(Clone, Debug)]
pub struct Messages {
    /// What all nodes know, and sign with.
    pub secret: Secret,
    /// Whether messages count that are not, or wrongly, signed.
    pub allow_unsigned: bool,
    /// Whether messages of others count at all.
    pub heard: bool,
}

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_TIMEOUT: i64 = 5;
const LONGEST_TIMEOUT: u64 = 3600;

/// Makes the store's configuration.
pub(super) fn storage(written: written::Storage, origins: &Origins<'_>) -> Result<Storage, ConfigError> {
    match written.kind.as_str() {
        "" | "embedded" => Ok(Storage::Embedded(PathBuf::from(given(written.path).unwrap_or("./data".to_owned())))),
        "redis" => redis(written, &Check { origins }).map(Storage::Redis),
        other => Check { origins }.refuse("type", other, "there is no such store: set it to \"embedded\" or \"redis\""),
    }
}

fn redis(written: written::Storage, check: &Check<'_>) -> Result<Redis, ConfigError> {
    let servers = check.servers(&written)?;
    Ok(Redis {
        database: check.database(written.database, &servers)?,
        timeout: check.timeout(written.timeout)?,
        tls: if written.use_ssl { Some(check.tls(&written)?) } else { None },
        username: given(written.username),
        password: given(written.password).map(Secret),
        servers,
    })
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

struct Check<'a> {
    origins: &'a Origins<'a>,
}

impl Check<'_> {
    fn refuse<T>(&self, key: &str, value: impl Into<Value>, remedy: &str) -> Result<T, ConfigError> {
        Err(self.origins.unusable(&format!("storage.{key}"), short(&value.into()), remedy.to_owned()))
    }

    fn servers(&self, written: &written::Storage) -> Result<Servers, ConfigError> {
        let mut all = self.addresses(written)?;
        if !written.master_name.is_empty() {
            let password = given(written.sentinel_password.clone()).map(Secret);
            return Ok(Servers::Sentinel { sentinels: all, master: written.master_name.clone(), password });
        }
        Ok(match written.enable_cluster {
            true => Servers::Cluster(all),
            false => Servers::Single(all.swap_remove(0)),
        })
    }

    /// One server or more: of `addrs`, else of `hosts`, else `host` and `port`.
    fn addresses(&self, written: &written::Storage) -> Result<Vec<Server>, ConfigError> {
        if !written.addrs.is_empty() {
            let all = written.addrs.iter().enumerate();
            return all.map(|(index, text)| self.address(&format!("addrs[{index}]"), text)).collect();
        }
        if !written.hosts.is_empty() {
            let all = written.hosts.iter();
            return all.map(|(host, port)| self.address("hosts", &format!("{host}:{port}"))).collect();
        }
        let host = if written.host.is_empty() { "127.0.0.1" } else { &written.host };
        let port = match u16::try_from(written.port) {
            Ok(0) => DEFAULT_PORT,
            Ok(port) => port,
            Err(_) => return self.refuse("port", written.port, "write a port from 1 to 65535; 0 means 6379"),
        };
        Ok(vec![Server { host: bare(host).to_owned(), port }])
    }

    fn address(&self, key: &str, text: &str) -> Result<Server, ConfigError> {
        let server = text.rsplit_once(':').and_then(|(host, port)| {
            let port = port.parse().ok().filter(|port| *port > 0)?;
            (!host.is_empty()).then(|| Server { host: bare(host).to_owned(), port })
        });
        server.map_or_else(|| self.refuse(key, text, "write host:port"), Ok)
    }

    fn database(&self, number: i64, servers: &Servers) -> Result<i64, ConfigError> {
        if number < 0 {
            return self.refuse("database", number, "write a number from 0");
        }
        if number > 0 && matches!(servers, Servers::Cluster(_)) {
            return self.refuse("database", number, "a cluster has database 0 only: remove the key");
        }
        Ok(number)
    }

    fn timeout(&self, seconds: i64) -> Result<Duration, ConfigError> {
        let counted = if seconds == 0 { DEFAULT_TIMEOUT } else { seconds };
        match u64::try_from(counted) {
            Ok(counted) if counted <= LONGEST_TIMEOUT => Ok(Duration::from_secs(counted)),
            _ => self.refuse("timeout", seconds, "write a number of seconds up to 3600; 0 means 5"),
        }
    }

    fn tls(&self, written: &written::Storage) -> Result<RedisTls, ConfigError> {
        self.versions(written)?;
        let authorities = match written.ca_file.as_str() {
            "" => None,
            file => Some(self.certificates("ca_file", file)?),
        };
        let client = self.client_certificate(written)?;
        Ok(RedisTls { authorities, client, verify: !written.ssl_insecure_skip_verify })
    }

    fn versions(&self, written: &written::Storage) -> Result<(), ConfigError> {
        const REMEDY: &str = "TLS 1.2 and 1.3 are offered, nothing else is supported yet: remove the key";
        match (written.tls_min_version.as_str(), written.tls_max_version.as_str()) {
            ("" | "1.0" | "1.1" | "1.2", "" | "1.3") => Ok(()),
            ("" | "1.0" | "1.1" | "1.2", other) => self.refuse("tls_max_version", other, REMEDY),
            (other, _) => self.refuse("tls_min_version", other, REMEDY),
        }
    }

    fn client_certificate(&self, written: &written::Storage) -> Result<Option<ClientCertificate>, ConfigError> {
        let (chain, key) = match (written.cert_file.as_str(), written.key_file.as_str()) {
            ("", "") => return Ok(None),
            (chain, "") => return self.refuse("cert_file", chain, "name its key in storage.key_file"),
            ("", key) => return self.refuse("key_file", key, "name its certificate in storage.cert_file"),
            both => both,
        };
        let chain = self.certificates("cert_file", chain)?;
        let pem = self.read("key_file", key)?;
        match PrivateKeyDer::from_pem_slice(&pem) {
            Ok(_) => Ok(Some(ClientCertificate { chain, key: Secret(pem) })),
            Err(_) => self.refuse("key_file", key, "the file holds no private key in PEM form"),
        }
    }

    fn certificates(&self, key: &str, file: &str) -> Result<Vec<u8>, ConfigError> {
        let pem = self.read(key, file)?;
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(pem),
            _ => self.refuse(key, file, "the file holds no certificate in PEM form"),
        }
    }

    fn read(&self, key: &str, file: &str) -> Result<Vec<u8>, ConfigError> {
        std::fs::read(file)
            .or_else(|error| self.refuse(key, file, &format!("{error}: name a PEM file that can be read")))
    }
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn read(storage: Value) -> Result<Storage, String> {
        let origins = Origins { file: None, variables: &BTreeMap::new() };
        let written = serde_json::from_value(storage).unwrap();
        super::storage(written, &origins).map_err(|error| error.to_string())
    }

    fn read_redis(mut storage: Value) -> Result<Redis, String> {
        storage["type"] = json!("redis");
        match read(storage)? {
            Storage::Redis(redis) => Ok(redis),
            Storage::Embedded(folder) => panic!("{}", folder.display()),
        }
    }

    #[test]
    fn the_embedded_store_is_the_default() {
        for (storage, folder) in [(json!({}), "./data"), (json!({"type": "embedded", "path": "/d"}), "/d")] {
            assert!(matches!(read(storage).unwrap(), Storage::Embedded(path) if path == *folder));
        }
    }

    #[test]
    fn servers_are_taken_from_the_first_key_that_names_some() {
        let servers = |storage: Value| format!("{:?}", read_redis(storage).unwrap().servers);
        let server = |host: &str, port| Server { host: host.to_owned(), port };
        let single = |host, port| format!("{:?}", Servers::Single(server(host, port)));
        assert_eq!(servers(json!({})), single("127.0.0.1", 6379));
        assert_eq!(servers(json!({"host": "h", "port": 1})), single("h", 1));
        assert_eq!(servers(json!({"host": "h", "hosts": {"a": "2"}})), single("a", 2));
        assert_eq!(servers(json!({"hosts": {"a": "2"}, "addrs": ["[::1]:3", "b:4"]})), single("::1", 3));
        let all = vec![server("a", 1), server("b", 2)];
        assert_eq!(
            servers(json!({"addrs": ["a:1", "b:2"], "enable_cluster": true})),
            format!("{:?}", Servers::Cluster(all.clone()))
        );
        let sentinel =
            Servers::Sentinel { sentinels: all, master: "m".to_owned(), password: Some(Secret("p".to_owned())) };
        assert_eq!(
            servers(json!({"addrs": ["a:1", "b:2"], "master_name": "m", "sentinel_password": "p"})),
            format!("{sentinel:?}")
        );
    }

    #[test]
    fn unusable_values_stop_the_start_with_path_value_and_remedy() {
        for (storage, message) in [
            (json!({"port": 65536}), "storage.port is 65536: write a port from 1 to 65535; 0 means 6379"),
            (json!({"addrs": ["a:1", "b"]}), r#"storage.addrs[1] is "b": write host:port"#),
            (json!({"hosts": {"a": "x"}}), r#"storage.hosts is "a:x": write host:port"#),
            (json!({"database": -1}), "storage.database is -1: write a number from 0"),
            (
                json!({"database": 1, "enable_cluster": true}),
                "storage.database is 1: a cluster has database 0 only: remove the key",
            ),
            (json!({"timeout": -1}), "storage.timeout is -1: write a number of seconds up to 3600; 0 means 5"),
            (
                json!({"use_ssl": true, "tls_min_version": "1.3"}),
                r#"storage.tls_min_version is "1.3": TLS 1.2 and 1.3 are offered, nothing else is supported yet: remove the key"#,
            ),
            (
                json!({"use_ssl": true, "cert_file": "/c"}),
                r#"storage.cert_file is "/c": name its key in storage.key_file"#,
            ),
            (
                json!({"use_ssl": true, "ca_file": "/dev/null"}),
                r#"storage.ca_file is "/dev/null": the file holds no certificate in PEM form"#,
            ),
        ] {
            assert_eq!(read_redis(storage).unwrap_err(), format!("the environment: {message}"));
        }
        assert!(read_redis(json!({"use_ssl": true, "ca_file": "/nowhere"})).unwrap_err().contains("No such file"));
        assert!(read(json!({"type": "etcd"})).unwrap_err().contains("there is no such store"));
    }

    #[test]
    fn the_rest_has_defaults_and_secrets_are_not_shown() {
        let redis = read_redis(json!({"username": "u", "password": "hunter2", "ca_file": "/nowhere"})).unwrap();
        assert_eq!(redis.timeout, Duration::from_secs(5));
        assert!(redis.tls.is_none());
        assert_eq!(redis.password, Some(Secret("hunter2".to_owned())));
        assert!(!format!("{redis:?}").contains("hunter2"));
    }
}
