//! How a connection to Redis is made: to one server, to the master that sentinels name, to a cluster.

use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, RedisError, RedisFuture, RedisResult, TlsCertificates, TlsMode, Value,
};

use crate::config::{self, Secret, Server, Servers};

/// How many commands may wait for the connection's task before callers wait for it too.
const QUEUE: usize = 1024;

/// A way to one server, one master, or one cluster. It needs RESP3, hence Redis 6.
pub(crate) struct Plan {
    place: String,
    way: Way,
}

enum Way {
    Single(Box<Client>),
    Sentinel(Box<SentinelClient>),
    Cluster { all: Box<ClusterClient>, nodes: Vec<Client> },
}

impl Plan {
    pub(crate) fn new(config: &config::Redis) -> RedisResult<Self> {
        let way = match &config.servers {
            Servers::Single(server) => Way::Single(Box::new(client(config, server)?)),
            Servers::Sentinel { sentinels, master, password } => {
                Way::Sentinel(Box::new(sentinel(config, sentinels, master, password.as_ref())?))
            }
            Servers::Cluster(nodes) => Way::Cluster {
                all: Box::new(cluster(config, nodes)?),
                nodes: nodes.iter().map(|node| client(config, node)).collect::<Result<_, _>>()?,
            },
        };
        Ok(Self { place: place(&config.servers), way })
    }

    /// Where it leads, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// A connection for commands. `pushed` hears when it breaks, unless it is one to a cluster.
    pub(super) async fn connect(&mut self, pushed: impl AsyncPushSender) -> RedisResult<Connection> {
        match &self.way {
            Way::Cluster { all, .. } => Ok(Connection::Cluster(all.get_async_connection().await?)),
            Way::Single(_) | Way::Sentinel(_) => Ok(Connection::Server(self.connect_to_one(pushed).await?)),
        }
    }

    /// A connection to the server, to the master, or to any node of the cluster: enough for messages.
    pub(crate) async fn connect_to_one(&mut self, pushed: impl AsyncPushSender) -> RedisResult<MultiplexedConnection> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(pushed);
        match &mut self.way {
            Way::Single(client) => client.get_multiplexed_async_connection_with_config(&settings).await,
            Way::Sentinel(sentinels) => sentinels.get_async_connection_with_config(&settings).await,
            Way::Cluster { nodes, .. } => any(nodes, &settings).await,
        }
    }
}

async fn any(nodes: &[Client], settings: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
    let mut last = RedisError::from((ErrorKind::InvalidClientConfig, "no node is configured"));
    for node in nodes {
        match node.get_multiplexed_async_connection_with_config(settings).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn place(servers: &Servers) -> String {
    let list = |all: &[Server]| all.iter().map(Server::to_string).collect::<Vec<_>>().join(",");
    match servers {
        Servers::Single(server) => format!("redis://{server}"),
        Servers::Sentinel { sentinels, master, .. } => format!("redis-sentinel://{}/{master}", list(sentinels)),
        Servers::Cluster(nodes) => format!("redis-cluster://{}", list(nodes)),
    }
}

fn client(config: &config::Redis, server: &Server) -> RedisResult<Client> {
    let info = connection_info(config, server)?;
    match certificates(config) {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

fn cluster(config: &config::Redis, nodes: &[Server]) -> RedisResult<ClusterClient> {
    let nodes = nodes.iter().map(|node| connection_info(config, node)).collect::<Result<Vec<_>, _>>()?;
    let mut builder = ClusterClientBuilder::new(nodes)
        .connection_timeout(config.timeout)
        .response_timeout(config.timeout)
        .overall_response_timeout(Some(config.timeout))
        .retries(3)
        .min_retry_wait(10)
        .max_retry_wait(100)
        .tcp_settings(no_delay());
    if let Some(mode) = tls_mode(config) {
        builder = builder.tls(mode);
    }
    if let Some(certificates) = certificates(config) {
        builder = builder.certs(certificates);
    }
    builder.build()
}

fn sentinel(
    config: &config::Redis,
    sentinels: &[Server],
    master: &str,
    password: Option<&Secret>,
) -> RedisResult<SentinelClient> {
    let addresses = sentinels.iter().map(|sentinel| address(config, sentinel));
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_db(config.database)
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_tcp_settings(no_delay());
    if let Some(username) = &config.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(Secret(password)) = &config.password {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(Secret(password)) = password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if let (Some(mode), Some(certificates)) = (tls_mode(config), certificates(config)) {
        builder = builder
            .set_client_to_redis_tls_mode(mode)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    builder.build()
}

fn connection_info(config: &config::Redis, server: &Server) -> RedisResult<ConnectionInfo> {
    let mut settings = RedisConnectionInfo::default().set_db(config.database).set_protocol(ProtocolVersion::RESP3);
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(Secret(password)) = &config.password {
        settings = settings.set_password(password);
    }
    let info = address(config, server).into_connection_info()?;
    Ok(info.set_redis_settings(settings).set_tcp_settings(no_delay()))
}

fn address(config: &config::Redis, server: &Server) -> ConnectionAddr {
    let Server { host, port } = server.clone();
    match tls_mode(config) {
        None => ConnectionAddr::Tcp(host, port),
        Some(mode) => ConnectionAddr::TcpTls { host, port, insecure: mode == TlsMode::Insecure, tls_params: None },
    }
}

fn tls_mode(config: &config::Redis) -> Option<TlsMode> {
    config.tls.as_ref().map(|tls| if tls.verify { TlsMode::Secure } else { TlsMode::Insecure })
}

fn certificates(config: &config::Redis) -> Option<TlsCertificates> {
    config.tls.as_ref().map(|tls| TlsCertificates {
        root_cert: tls.authorities.clone(),
        client_tls: tls
            .client
            .as_ref()
            .map(|client| ClientTlsConfig { client_cert: client.chain.clone(), client_key: client.key.0.clone() }),
    })
}

fn no_delay() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// A connection that takes commands of many at once.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Whether it still leads somewhere after trouble. One to a cluster repairs itself, node by node.
    pub(super) async fn survives(&self) -> bool {
        match self {
            Self::Server(_) => false,
            Self::Cluster(cluster) => ping_any(cluster.clone()).await.is_ok(),
        }
    }

    /// Asks for an answer: of the server, or of any master of the cluster.
    pub(super) async fn ping(self) -> RedisResult<()> {
        match self {
            Self::Server(mut server) => redis::cmd("PING").exec_async(&mut server).await,
            Self::Cluster(cluster) => ping_any(cluster).await,
        }
    }
}

async fn ping_any(mut cluster: ClusterConnection) -> RedisResult<()> {
    let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
    cluster.route_command(redis::cmd("PING"), any).await.map(drop)
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(server) => server.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(server) => server.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(server) => server.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
