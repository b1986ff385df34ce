//! Generates the contract's Rust types from `proto/`, without `protoc` on the machine, and describes the
//! contract for servers that tell clients about it.

use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_file("coprocess_object.proto")?;
    let descriptors = Path::new(&std::env::var("OUT_DIR")?).join("coprocess.bin");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    tonic_build::configure()
        .build_transport(false)
        .bytes(".coprocess.MiniRequestObject.raw_body")
        .bytes(".coprocess.ResponseObject.raw_body")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
