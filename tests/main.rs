//! The gateway as its users meet it: processes and sockets, on loopback only.

#![allow(clippy::unwrap_used, clippy::print_stderr, unreachable_pub, missing_docs)]

mod access_log;
mod auth;
mod balancing;
mod batch;
mod breaker;
mod cache;
mod client_certificates;
mod command_line;
mod configuration;
mod control;
mod cors;
mod definitions;
mod demo;
mod drain;
mod durability;
mod error_overrides;
mod events;
mod examples;
mod forward_proxy;
mod front_door;
mod grpc;
mod hardening;
mod harness;
mod headers;
mod hooks;
mod http2;
mod limits;
mod listener_tls;
mod loops;
mod oracle;
mod outage;
mod paths;
mod plugin_servers;
mod ports;
mod sessions;
mod shared_store;
mod streaming;
mod supervisor;
mod upgrades;
mod upstream_http2;
mod upstream_tls;
mod upstreams;
mod versions;
