//! The inputs that fuzzing has kept, checked as the fuzz targets check them.

#![allow(clippy::unwrap_used, unreachable_pub, missing_docs)]

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Checks every input of a target.
fn every(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let input = fs::read(&file).unwrap();
        let checked = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(checked.is_ok(), "see above: {}", file.display());
    }
}

#[test]
fn objects_are_applied_or_their_hook_fails() {
    every("object", checks::object::check);
}

#[test]
fn definitions_are_served_or_refused_with_reasons() {
    every("definition", checks::definition::check);
}

#[test]
fn targets_keep_their_spelling() {
    every("target", checks::target::check);
}
