//! Who is calling.

mod basic;
mod binding;
pub mod callers;
mod credential;
mod custom;
mod error;
pub mod extractor;
mod jwt;
pub mod keys;
mod lookup;
mod methods;
pub mod session_cache;
mod signature;
mod token;

pub use basic::BasicAuth;
pub use credential::{Source, Strip};
pub use custom::{CustomAuth, Extraction};
pub use error::{AuthError, BasicError, JwtError, SignatureError, TokenError};
pub use jwt::JwtAuth;
pub use methods::{Auth, Method};
pub use signature::SignatureAuth;
pub use token::TokenAuth;
