//! Which plugin answers which hook, and what one call to it is: view, hook, outcome.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use coprocess::{HookType, Object};
use tracing::{error, warn};

use crate::error::{HookResult, Refusal};
use crate::{AuthRequest, Event, Plugin, Request, Response, SessionRequest};

/// The plugins of a server.
#[derive(Default)]
pub(crate) struct Hooks {
    default: Option<Arc<dyn Hosted>>,
    named: HashMap<String, Arc<dyn Hosted>>,
    missed: Mutex<HashSet<String>>,
}

impl Hooks {
    pub(crate) fn set_default(&mut self, plugin: impl Plugin) {
        self.default = Some(Arc::new(plugin));
    }

    pub(crate) fn insert(&mut self, name: String, plugin: impl Plugin) {
        self.named.insert(name, Arc::new(plugin));
    }

    fn find(&self, name: &str) -> Option<&Arc<dyn Hosted>> {
        self.named.get(name).or(self.default.as_ref())
    }

    /// Answers one call.
    pub(crate) async fn dispatch(&self, object: Object) -> Object {
        match self.find(&object.hook_name) {
            Some(plugin) => plugin.call(object).await,
            None => self.miss(object),
        }
    }

    /// Lets the request of a hook that nobody implements go on, unless the hook decides who
    /// gets in.
    fn miss(&self, object: Object) -> Object {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.insert(object.hook_name.clone()) {
            warn!(hook = object.hook_name, "no plugin for this hook");
        }
        let outcome = match object.hook_type() {
            HookType::CustomKeyCheck => Err(Refusal::new(403, "Key not authorised")),
            _ => Ok(()),
        };
        Request::new(object).conclude(outcome)
    }

    /// Hands an event to its plugin and returns at once.
    pub(crate) fn notify(&self, payload: &str) {
        match Event::parse(payload) {
            Ok(event) => {
                if let Some(plugin) = self.find(&event.handler) {
                    tokio::spawn(plugin.clone().hear(event));
                }
            }
            Err(error) => warn!(%error, "unreadable event"),
        }
    }
}

type Call<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Plugin`] whose type does not matter any more.
trait Hosted: Send + Sync {
    fn call(&self, object: Object) -> Call<'_, Object>;
    fn hear(self: Arc<Self>, event: Event) -> Call<'static, ()>;
}

impl<P: Plugin> Hosted for P {
    fn call(&self, object: Object) -> Call<'_, Object> {
        Box::pin(call(self, object))
    }

    fn hear(self: Arc<Self>, event: Event) -> Call<'static, ()> {
        Box::pin(async move {
            let name = event.name.clone();
            if let Err(panic) = caught(self.on_event(event)).await {
                error!(event = name, %panic, "event handler failed");
            }
        })
    }
}

/// Calls the hook that `object` is for; gives the object to return.
pub(crate) async fn call(plugin: &impl Plugin, object: Object) -> Object {
    match object.hook_type() {
        HookType::Pre => {
            let mut request = Request::new(object);
            let outcome = outcome(plugin.pre(&mut request)).await;
            request.conclude(outcome)
        }
        HookType::CustomKeyCheck => {
            let mut request = AuthRequest::new(object);
            let outcome = outcome(plugin.auth(&mut request)).await;
            request.conclude(outcome)
        }
        HookType::PostKeyAuth => {
            let mut request = SessionRequest::new(object);
            let outcome = outcome(plugin.post_key_auth(&mut request)).await;
            request.conclude(outcome)
        }
        HookType::Post => {
            let mut request = SessionRequest::new(object);
            let outcome = outcome(plugin.post(&mut request)).await;
            request.conclude(outcome)
        }
        HookType::Response => call_response(plugin, object).await,
        HookType::Unknown => {
            let cause = format!("hook type {} is not known", object.hook_type);
            let refusal = Refusal::new(500, "Internal Server Error").because(cause);
            Request::new(object).conclude(Err(refusal))
        }
    }
}

async fn call_response(plugin: &impl Plugin, object: Object) -> Object {
    let mut request = SessionRequest::new(object);
    let Some(received) = request.take_response() else {
        error!(hook = request.hook_name(), "response hook called without a response");
        return request.conclude(Ok(()));
    };
    let mut response = Response::new(received);
    let outcome = outcome(plugin.response(&request, &mut response)).await;
    let answer = response.conclude(request.hook_name(), outcome);
    request.into_answered(answer)
}

/// Runs a hook to its outcome, which a panic is one of.
async fn outcome(hook: impl Future<Output = HookResult>) -> HookResult {
    caught(hook).await?
}

/// Ends in an error if `work` panics: one call must not take the others' connection down.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| {
        let poll = AssertUnwindSafe(|| work.as_mut().poll(context));
        match catch_unwind(poll) {
            Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(Panicked::from(panic))),
        }
    })
    .await
}

#[derive(Debug, thiserror::Error)]
#[error("the hook panicked: {0}")]
struct Panicked(String);

impl From<Box<dyn Any + Send>> for Panicked {
    fn from(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
