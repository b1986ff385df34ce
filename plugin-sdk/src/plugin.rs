//! The trait that a plugin implements: one method per place in the chain.

use std::future::{Future, ready};

use crate::{AuthRequest, Event, HookResult, Request, Response, SessionRequest};

/// A plugin: implement the hooks that the API definition names, the others let requests go on
/// unchanged.
///
/// In the order of a request's life: [`pre`](Plugin::pre), [`auth`](Plugin::auth),
/// [`post_key_auth`](Plugin::post_key_auth), [`post`](Plugin::post), then the upstream, then
/// [`response`](Plugin::response). A hook's future is dropped if the gateway gives the call up;
/// a panic in it answers 500 and leaves the server running.
///
/// ```
/// use outrigger_plugin::{HookResult, Plugin, Request};
///
/// struct Teapot;
///
/// impl Plugin for Teapot {
///     async fn pre(&self, request: &mut Request) -> HookResult {
///         request.reject(418, "short and stout")
///     }
/// }
/// ```
pub trait Plugin: Send + Sync + 'static {
    /// Runs before anybody knows who is calling (`pre`).
    fn pre(&self, request: &mut Request) -> impl Future<Output = HookResult> + Send {
        let _ = request;
        ready(Ok(()))
    }

    /// Says who is calling (`auth_check`): nobody gets in without [`AuthRequest::allow`].
    fn auth(&self, request: &mut AuthRequest) -> impl Future<Output = HookResult> + Send {
        let _ = request;
        ready(Ok(()))
    }

    /// Runs once the caller is known (`post_key_auth`).
    fn post_key_auth(&self, request: &mut SessionRequest) -> impl Future<Output = HookResult> + Send {
        let _ = request;
        ready(Ok(()))
    }

    /// Runs last before the upstream, on APIs without authentication too (`post`).
    fn post(&self, request: &mut SessionRequest) -> impl Future<Output = HookResult> + Send {
        let _ = request;
        ready(Ok(()))
    }

    /// Runs on the upstream's answer (`response`), with the request for reading.
    fn response(&self, request: &SessionRequest, response: &mut Response) -> impl Future<Output = HookResult> + Send {
        let _ = (request, response);
        ready(Ok(()))
    }

    /// Hears of something that happened (`cp_dynamic_handler`); nobody waits for it.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// use outrigger_plugin::{Event, Plugin, testing};
    ///
    /// #[derive(Default)]
    /// struct Watch(AtomicUsize);
    ///
    /// impl Plugin for Watch {
    ///     async fn on_event(&self, event: Event) {
    ///         if event.name == "AuthFailure" && event.path() == Some("/orders/") {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let watch = Watch::default();
    /// watch.on_event(testing::event("AuthFailure", &[("Path", "/orders/"), ("Key", "k")])).await;
    /// assert_eq!(watch.0.load(Ordering::Relaxed), 1);
    /// # }
    /// ```
    fn on_event(&self, event: Event) -> impl Future<Output = ()> + Send {
        let _ = event;
        ready(())
    }
}
