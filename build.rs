//! Generates the contract's Rust types from `proto/`, without `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/coprocess_object.proto"], ["proto"])?;
    tonic_build::configure()
        .build_transport(false)
        .bytes(".coprocess.MiniRequestObject.raw_body")
        .bytes(".coprocess.ResponseObject.raw_body")
        .compile_fds(files)?;
    Ok(())
}
