//! The listening socket: TCP, or a file that is ours as long as we listen.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::ServerError;
use crate::Address;
use crate::error::chain;

pub(super) struct Listener {
    address: Address,
    socket: Socket,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    pub(super) async fn bind(mut address: Address) -> Result<Self, ServerError> {
        let socket = match &address {
            Address::Tcp(authority) => bind_tcp(authority).await,
            Address::Unix(path) => bind_unix(path).await,
        };
        let socket = socket.map_err(|error| cannot_listen(&address, error))?;
        if let Socket::Tcp(listener) = &socket
            && let Ok(local) = listener.local_addr()
        {
            address = Address::Tcp(local.to_string());
        }
        Ok(Self { address, socket })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Answers calls until `stop` is ready, then finishes those in flight.
    pub(super) async fn serve(
        self,
        mut transport: Server,
        services: Routes,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let Self { address, socket } = self;
        let server = transport.add_routes(services);
        let served = match socket {
            Socket::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                server.serve_with_incoming_shutdown(incoming, stop).await
            }
            Socket::Unix(listener, file) => {
                // The file goes when listening ends, not when the last call does.
                let incoming = UnixListenerStream::new(listener).map(move |accepted| {
                    let _held = &file;
                    accepted
                });
                server.serve_with_incoming_shutdown(incoming, stop).await
            }
        };
        served.map_err(|error| ServerError::Serve { address, source: chain(&error).into() })
    }
}

async fn bind_tcp(authority: &str) -> io::Result<Socket> {
    TcpListener::bind(authority).await.map(Socket::Tcp)
}

async fn bind_unix(path: &Path) -> io::Result<Socket> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path).await => {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    Ok(Socket::Unix(listener, SocketFile::new(path)?))
}

/// Says whether the file at `path` is a socket that nobody listens on.
async fn is_stale(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket(path) && UnixStream::connect(path).await.is_err_and(refused)
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

fn cannot_listen(address: &Address, source: io::Error) -> ServerError {
    let address = address.clone();
    match address {
        Address::Unix(path) if path.exists() && !is_socket(&path) => ServerError::NotASocket { path },
        _ if source.kind() == io::ErrorKind::AddrInUse => ServerError::InUse { address },
        _ => ServerError::Bind { address, source },
    }
}

/// Removes the socket's file in the end, unless another server has put its own there since.
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // If it stays, the next server finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}
