//! One worker's connection to Redis: made when first needed, watched, and made again when lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use redis::{ErrorKind, PushInfo, PushKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use super::pace::Pace;
use super::plan::{Connection, Plan};
use crate::config;
use crate::store::StoreError;

/// The connection and what is known of it.
pub(super) struct Link {
    config: config::Redis,
    place: String,
    states: OnceLock<watch::Receiver<State>>,
}

#[derive(Clone)]
enum State {
    /// The first attempt is under way.
    Starting,
    Up(Live),
    Down(Arc<str>),
}

/// A connection that was good when last heard of.
#[derive(Clone)]
struct Live {
    connection: Connection,
    /// Told when it seems to be good no more.
    trouble: Arc<Notify>,
}

impl Link {
    pub(super) fn new(config: &config::Redis) -> Result<Self, StoreError> {
        let plan = Plan::new(config)
            .map_err(|error| StoreError { place: "storage.type redis".to_owned(), reason: error.to_string() })?;
        Ok(Self { config: config.clone(), place: plan.place().to_owned(), states: OnceLock::new() })
    }

    pub(super) fn config(&self) -> &config::Redis {
        &self.config
    }

    /// Lets `call` use the connection. Fails at once while there is none, and after the timeout at last.
    pub(super) async fn run<T, F>(&self, call: impl FnOnce(Connection) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let deadline = Instant::now() + self.config.timeout;
        let live = match timeout_at(deadline, self.live()).await {
            Ok(live) => live?,
            Err(_) => return Err(self.late()),
        };
        match timeout_at(deadline, call(live.connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if is_trouble(&error) {
                    doubt(&live.trouble).await;
                }
                Err(self.failed(error.to_string()))
            }
            Err(_) => {
                doubt(&live.trouble).await;
                Err(self.late())
            }
        }
    }

    async fn live(&self) -> Result<Live, StoreError> {
        let states = self.states()?;
        if let Some(known) = self.known(&states.borrow()) {
            return known;
        }
        let mut states = states.clone();
        let state = states.wait_for(|state| !matches!(state, State::Starting)).await;
        let known = state.ok().and_then(|state| self.known(&state));
        known.unwrap_or_else(|| Err(self.failed("its runtime has ended".to_owned())))
    }

    fn known(&self, state: &State) -> Option<Result<Live, StoreError>> {
        match state {
            State::Starting => None,
            State::Up(live) => Some(Ok(live.clone())),
            State::Down(reason) => Some(Err(self.failed(format!("not connected: {reason}")))),
        }
    }

    /// What the keeper says; the first call starts it, on the caller's runtime.
    fn states(&self) -> Result<&watch::Receiver<State>, StoreError> {
        if let Some(states) = self.states.get() {
            return Ok(states);
        }
        let plan = Plan::new(&self.config).map_err(|error| self.failed(error.to_string()))?;
        Ok(self.states.get_or_init(|| Keeper::start(plan, self.config.timeout)))
    }

    pub(super) fn failed(&self, reason: String) -> StoreError {
        StoreError { place: self.place.clone(), reason }
    }

    fn late(&self) -> StoreError {
        self.failed(format!("no answer within {} s", self.config.timeout.as_secs_f64()))
    }
}

/// Lets the keeper act before the caller can ask again.
async fn doubt(trouble: &Notify) {
    trouble.notify_one();
    tokio::task::yield_now().await;
}

/// Whether an error speaks against the connection; a demoted master is one of the past.
fn is_trouble(error: &RedisError) -> bool {
    const DEMOTED: ErrorKind = ErrorKind::Server(ServerErrorKind::ReadOnly);
    error.is_unrecoverable_error() || error.is_io_error() || error.kind() == DEMOTED
}

/// Makes the connection, for ever anew, until nobody is left who could use it.
struct Keeper {
    plan: Plan,
    timeout: Duration,
    states: watch::Sender<State>,
}

impl Keeper {
    fn start(plan: Plan, timeout: Duration) -> watch::Receiver<State> {
        let (states, receiver) = watch::channel(State::Starting);
        let unwanted = states.clone();
        let keeper = Self { plan, timeout, states };
        tokio::spawn(async move {
            tokio::select! {
                () = unwanted.closed() => {}
                () = keeper.keep() => {}
            }
        });
        receiver
    }

    async fn keep(mut self) {
        let mut pace = Pace::new();
        loop {
            pace.wait().await;
            match self.connect().await {
                Ok(live) => {
                    pace.ease();
                    self.up(live.clone());
                    outlive(live).await;
                    self.down("the connection was lost".into());
                }
                Err(reason) => self.down(reason.into()),
            }
        }
    }

    async fn connect(&mut self) -> Result<Live, String> {
        let trouble = Arc::new(Notify::new());
        let told = trouble.clone();
        let pushed = move |push: PushInfo| {
            if push.kind == PushKind::Disconnection {
                told.notify_one();
            }
            Ok::<_, ()>(())
        };
        match timeout(self.timeout, self.plan.connect(pushed)).await {
            Ok(Ok(connection)) => Ok(Live { connection, trouble }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no connection within {} s", self.timeout.as_secs_f64())),
        }
    }

    fn up(&self, live: Live) {
        self.states.send_replace(State::Up(live));
        info!(store = self.plan.place(), "connected to the store");
    }

    /// Says so once, however often it is tried again.
    fn down(&self, reason: Arc<str>) {
        let before = self.states.send_replace(State::Down(reason.clone()));
        if !matches!(before, State::Down(_)) {
            warn!(store = self.plan.place(), %reason, "the store cannot be reached; trying until it can");
        }
    }
}

/// Returns when the connection is of no use any more.
async fn outlive(live: Live) {
    loop {
        live.trouble.notified().await;
        if !live.connection.survives().await {
            return;
        }
    }
}
