//! Passwords of basic auth: only their hashes are stored.

use http::StatusCode;

use crate::control::answer::Problem;
use crate::session::key::Function;
use crate::session::{BasicAuth, State};

const COST: u32 = 10;
/// What bcrypt looks at, in bytes: any password that begins the same would do for a longer one.
const LONGEST: usize = 72;

/// Hashes the password of a session. One that was shown without its password keeps it.
pub(super) async fn hide(
    state: &mut State,
    previous: Option<&State>,
    function: Option<Function>,
) -> Result<(), Problem> {
    let data = &mut state.basic_auth_data;
    let before = previous.map(|state| &state.basic_auth_data).filter(|data| !data.password.is_empty());
    match before {
        Some(before) if data.password.is_empty() || data.password == before.password => *data = before.clone(),
        _ if data.password.is_empty() => {}
        _ => *data = hashed(std::mem::take(&mut data.password), function).await?,
    }
    Ok(())
}

async fn hashed(password: String, function: Option<Function>) -> Result<BasicAuth, Problem> {
    let (password, hash_type) = match function {
        Some(function) => (function.hash(password.as_bytes()), function.to_string()),
        None => (bcrypt_hash(password).await?, "bcrypt".to_owned()),
    };
    Ok(BasicAuth { password, hash_type })
}

/// Slow by intent, so it goes beside the worker.
async fn bcrypt_hash(password: String) -> Result<String, Problem> {
    let failed = |error: String| {
        let message = format!("the password cannot be hashed: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    };
    if password.len() > LONGEST {
        return Err(Problem::bad(format!("the password is too long: bcrypt takes {LONGEST} bytes")));
    }
    let hashed = tokio::task::spawn_blocking(move || bcrypt::hash(password, COST)).await;
    hashed.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
}
