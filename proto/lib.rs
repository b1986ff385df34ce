//! The contract between a gateway and its plugin servers: the messages of package `coprocess`
//! and the `Dispatcher` service, as client and as server.
//!
//! The `.proto` files beside this one are the source; each field says who fills it, when, and
//! what the other side does with it.

#[allow(missing_docs, unreachable_pub, clippy::all)]
mod generated {
    tonic::include_proto!("coprocess");
}

pub use generated::*;

/// The `.proto` files in compiled form (`google.protobuf.FileDescriptorSet`), as gRPC reflection
/// wants them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/coprocess.bin"));
