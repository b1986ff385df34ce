//! Who is calling.

mod custom;
pub mod extractor;
mod fresh;
pub mod keys;

pub use custom::{CustomAuth, Extraction};
pub use fresh::Sessions;
