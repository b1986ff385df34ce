//! Which hook of which plugin is called, and what becomes of its outcome.

#![allow(clippy::unwrap_used)]

use std::sync::mpsc;

use coprocess::{MiniRequestObject, ResponseObject, ReturnOverrides};

use super::*;

fn object(hook: HookType, name: &str) -> Object {
    let mut object = Object { hook_type: hook.into(), hook_name: name.into(), ..Default::default() };
    object.request = Some(MiniRequestObject::default());
    object
}

fn overrides(object: &Object) -> &ReturnOverrides {
    object.request.as_ref().unwrap().return_overrides.as_ref().unwrap()
}

/// Says which hook ran, in a header.
struct Marks(&'static str);

impl Plugin for Marks {
    async fn pre(&self, request: &mut Request) -> HookResult {
        request.set_header("Ran", format!("{} pre", self.0));
        Ok(())
    }

    async fn post(&self, request: &mut SessionRequest) -> HookResult {
        request.set_header("Ran", format!("{} post", self.0));
        Ok(())
    }

    async fn response(&self, request: &SessionRequest, response: &mut Response) -> HookResult {
        response.set_header("Ran", format!("{} {}", self.0, request.method()));
        Ok(())
    }
}

fn hooks(default: Option<Marks>, named: &[&'static str]) -> Hooks {
    let mut hooks = Hooks::default();
    default.into_iter().for_each(|plugin| hooks.set_default(plugin));
    named.iter().for_each(|&name| hooks.insert(name.into(), Marks(name)));
    hooks
}

async fn ran(hooks: &Hooks, hook: HookType, name: &str) -> Option<String> {
    hooks.dispatch(object(hook, name)).await.request.unwrap().set_headers.remove("Ran")
}

#[tokio::test]
async fn a_hook_goes_to_the_plugin_of_its_name_or_to_the_default() {
    let hooks = hooks(Some(Marks("default")), &["A", "B"]);

    assert_eq!(ran(&hooks, HookType::Pre, "A").await.unwrap(), "A pre");
    assert_eq!(ran(&hooks, HookType::Post, "B").await.unwrap(), "B post");
    assert_eq!(ran(&hooks, HookType::Pre, "").await.unwrap(), "default pre");
    assert_eq!(ran(&hooks, HookType::PostKeyAuth, "A").await, None);
}

#[tokio::test]
async fn a_hook_that_nobody_implements_goes_on_unless_it_decides_who_gets_in() {
    let hooks = hooks(None, &["A"]);

    let passed = hooks.dispatch(object(HookType::Pre, "Unknown")).await;
    assert_eq!(overrides(&passed).response_code, -1);
    let refused = hooks.dispatch(object(HookType::CustomKeyCheck, "Unknown")).await;
    assert_eq!(overrides(&refused).response_code, 403);
}

#[tokio::test]
async fn a_hook_of_a_type_from_the_future_is_refused() {
    let hooks = hooks(Some(Marks("default")), &[]);
    let unheard_of = Object { hook_type: 99, ..Default::default() };

    assert_eq!(overrides(&hooks.dispatch(unheard_of).await).response_code, 500);
}

#[tokio::test]
async fn a_response_hook_changes_the_response_and_keeps_the_rest() {
    let hooks = hooks(Some(Marks("default")), &[]);
    let mut sent = object(HookType::Response, "");
    sent.response = Some(ResponseObject { status_code: 200, ..Default::default() });
    sent.request.as_mut().unwrap().method = "PUT".into();

    let answered = hooks.dispatch(sent).await;

    assert_eq!(answered.request.as_ref().unwrap().method, "PUT");
    let response = answered.response.unwrap();
    assert_eq!((response.status_code, &response.headers["Ran"][..]), (200, "default PUT"));
}

#[tokio::test]
async fn a_response_hook_without_a_response_is_no_reason_to_panic() {
    let hooks = hooks(Some(Marks("default")), &[]);

    assert_eq!(hooks.dispatch(object(HookType::Response, "")).await.response, None);
}

struct Fails;

impl Plugin for Fails {
    async fn pre(&self, _: &mut Request) -> HookResult {
        "x".parse::<u32>()?;
        Ok(())
    }

    async fn post(&self, _: &mut SessionRequest) -> HookResult {
        panic!("out of tea");
    }

    async fn response(&self, _: &SessionRequest, _: &mut Response) -> HookResult {
        Err(Refusal::new(502, "bad upstream"))
    }
}

#[tokio::test]
async fn an_error_and_a_panic_answer_500_and_keep_their_reason_from_the_client() {
    let mut hooks = Hooks::default();
    hooks.set_default(Fails);

    for hook in [HookType::Pre, HookType::Post] {
        let failed = hooks.dispatch(object(hook, "")).await;
        assert_eq!(overrides(&failed).response_code, 500);
        assert_eq!(overrides(&failed).response_error, "Internal Server Error");
    }
}

#[tokio::test]
async fn an_error_of_a_response_hook_replaces_the_answer() {
    let mut hooks = Hooks::default();
    hooks.set_default(Fails);
    let mut sent = object(HookType::Response, "");
    sent.response = Some(ResponseObject { status_code: 200, ..Default::default() });

    let response = hooks.dispatch(sent).await.response.unwrap();
    assert_eq!((response.status_code, &response.body[..]), (502, r#"{"error":"bad upstream"}"#));
}

struct Hears(mpsc::Sender<String>);

impl Plugin for Hears {
    async fn on_event(&self, event: Event) {
        self.0.send(format!("{} for {}", event.name, event.handler)).unwrap();
        panic!("and that was all");
    }
}

#[tokio::test]
async fn an_event_goes_to_the_plugin_of_its_handlers_name() {
    let (heard, events) = mpsc::channel();
    let mut hooks = hooks(Some(Marks("default")), &[]);
    hooks.insert("audit".into(), Hears(heard));

    hooks.notify(r#"{"message":{"Type":"KeyExpired"},"handler_name":"audit"}"#);
    hooks.notify("not JSON");
    tokio::task::yield_now().await;

    assert_eq!(events.try_recv().unwrap(), "KeyExpired for audit");
}
