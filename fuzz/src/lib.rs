//! What must hold for any input. The fuzz targets call these checks with inputs that they make up, and a
//! test of the gateway (`tests/corpus.rs`) with those that are kept in `corpus/`.

pub mod definition;
pub mod object;
pub mod target;
