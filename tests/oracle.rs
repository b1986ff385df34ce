//! Arbitrary requests meet arbitrary objects: every request is answered, and as the contract says.
//!
//! What is right is worked out from the contract's rules by an oracle that shares no code with the
//! gateway. `OUTRIGGER_TEST_CASES` is how many cases there are of each kind; from 20,000 on the
//! gateway's memory is measured too.

mod query;
mod replies;
mod requests;

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestRunner};
use tokio::runtime::Runtime;

use crate::harness::Gateway;

/// Header names that cases play with.
const NAMES: [&str; 3] = ["X-A", "X-B", "x-c-d"];

/// How many cases of each kind there are.
fn cases() -> u32 {
    std::env::var("OUTRIGGER_TEST_CASES").map_or(300, |cases| cases.parse().unwrap())
}

/// Where the upstream, the plugin server and the client of all cases run.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Checks many cases, one after the other, against one gateway. Its memory after all of them must be
/// within a tenth of that after the first tenth.
fn check<T: Debug>(
    runtime: &Runtime,
    gateway: &Gateway,
    strategy: &impl Strategy<Value = T>,
    case: impl AsyncFn(T) -> TestCaseResult,
) {
    let cases = cases();
    let mut runner = TestRunner::new(Config { cases: cases / 10, failure_persistence: None, ..Config::default() });
    runner.run(strategy, |value| runtime.block_on(case(value))).unwrap_or_else(|error| panic!("{error}"));
    let early = gateway.process.resident();
    let mut runner =
        TestRunner::new(Config { cases: cases - cases / 10, failure_persistence: None, ..Config::default() });
    runner.run(strategy, |value| runtime.block_on(case(value))).unwrap_or_else(|error| panic!("{error}"));
    let late = gateway.process.resident();
    if cases >= 20_000 {
        eprintln!("{cases} cases: {early} KiB resident after the first tenth, {late} KiB at the end");
        assert!(late <= early + early / 10, "memory grew from {early} to {late} KiB");
    }
}

/// Fails a case unless both are the same.
fn same<T: Debug + PartialEq>(what: &str, got: T, wanted: T) -> TestCaseResult {
    if got == wanted { Ok(()) } else { Err(TestCaseError::fail(format!("{what}: got {got:?}, wanted {wanted:?}"))) }
}
