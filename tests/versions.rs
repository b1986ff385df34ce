//! Versions of APIs: which one a request gets, and what that lets through.

use serde_json::{Value, json};

use crate::harness::{Gateway, Setup, Upstream, api, request};

/// Two versions that requests name there, and the change of headers that tells them apart.
fn versioned(place: Value) -> Value {
    let version = |name: &str| json!({"name": name, "use_extended_paths": true, "global_headers": {"X-Version": name}});
    json!({
        "definition": place,
        "version_data": {"not_versioned": false, "versions": {
            "Default": null, "v1": version("v1"), "v2": version("v2"),
        }},
    })
}

/// A definition whose only version has these members.
fn version(members: Value) -> Value {
    json!({"version_data": {"versions": {"Default": members}}})
}

fn paths(lists: Value) -> Value {
    version(json!({"use_extended_paths": true, "extended_paths": lists}))
}

#[tokio::test]
async fn a_header_a_parameter_or_the_path_names_the_version() {
    let upstream = Upstream::start().await;
    let place = |place: &str| versioned(json!({"location": place, "key": "ver", "strip_versioning_data": true}));
    let setup = Setup::new()
        .api(api(&upstream).named("header").with(place("header")))
        .api(api(&upstream).named("parameter").with(place("url-param")))
        .api(api(&upstream).named("path").with(place("url")));
    let gateway = Gateway::start(setup).await;
    for sent in [
        request("GET", "/header/a?b=c").header("Ver", "v2"),
        request("GET", "/parameter/a?ver=v2&b=c"),
        request("GET", "/path/v2/a?b=c"),
    ] {
        assert_eq!(gateway.send(sent, "").await.status(), 200);
        let received = upstream.last();
        let seen = (received.header("X-Version"), &*received.target, received.header("Ver"));
        assert_eq!(seen, (Some("v2"), "/a?b=c", None));
    }
}

#[tokio::test]
async fn the_apis_slug_may_stand_before_a_version_in_the_path() {
    let upstream = Upstream::start().await;
    let place = |strip: bool| versioned(json!({"location": "url", "strip_versioning_data": strip}));
    let slug = json!({"slug": "shop"});
    let mock = json!({"version_data": {"versions": {"v2": {"extended_paths": {
        "black_list": [{"path": "^/shop/closed"}, {"path": "^/closed"}],
    }}}}});
    let setup = Setup::new()
        .api(api(&upstream).named("strip").with(place(true)).with(slug.clone()))
        .api(api(&upstream).named("keep").with(place(false)).with(slug).with(mock));
    let gateway = Gateway::start(setup).await;
    for (path, target) in [
        ("/strip/v2/a", "/a"),
        ("/strip/shop/v2/a", "/shop/a"),
        ("/keep/v2/a", "/v2/a"),
        ("/keep/shop/v2/a", "/shop/v2/a"),
    ] {
        assert_eq!(gateway.get(path).await.status(), 200, "{path}");
        let received = upstream.last();
        assert_eq!((received.header("X-Version"), &*received.target), (Some("v2"), target), "{path}");
    }
    for path in ["/keep/shopping/v2/a", "/keep/shop/v9/a", "/keep/shop/v2/closed", "/keep/v2/closed"] {
        assert_eq!(gateway.get(path).await.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_request_without_a_version_that_there_is_gets_none_or_the_default() {
    const UNKNOWN: &str = "This API version does not seem to exist";
    let upstream = Upstream::start().await;
    let place = json!({"location": "header", "key": "ver"});
    let with_default = |lenient: bool| {
        let place = json!({"location": "header", "key": "ver", "fallback_to_default": lenient});
        json!({"definition": place, "version_data": {"default_version": "v1"}})
    };
    let setup = Setup::new()
        .api(api(&upstream).named("none").with(versioned(place.clone())))
        .api(api(&upstream).named("default").with(versioned(place.clone())).with(with_default(false)))
        .api(api(&upstream).named("lenient").with(versioned(place)).with(with_default(true)))
        .conf(json!({"version_header": "X-Got"}));
    let gateway = Gateway::start(setup).await;
    let answer = async |path: &str, version: Option<&str>| {
        let sent = request("GET", path);
        gateway.send(version.into_iter().fold(sent, |sent, version| sent.header("ver", version)), "").await
    };
    let refused = async |path, version| {
        let answer = answer(path, version).await;
        (answer.status(), answer.error())
    };
    assert_eq!(refused("/none/", None).await, (403, "Version information not found".to_owned()));
    assert_eq!(refused("/none/", Some("v9")).await, (403, UNKNOWN.to_owned()));
    assert_eq!(refused("/default/", Some("v9")).await, (403, UNKNOWN.to_owned()));
    for (path, version, told) in
        [("/default/", None, Some("v1")), ("/lenient/", Some("v9"), Some("v1")), ("/default/", Some("v1"), None)]
    {
        let answer = answer(path, version).await;
        assert_eq!((answer.status(), answer.header("X-Got")), (200, told));
        assert_eq!(upstream.last().header("X-Version"), Some("v1"));
    }
}

#[tokio::test]
async fn versions_may_be_apis_of_their_own() {
    let upstream = Upstream::start().await;
    let family = json!({"definition": {
        "enabled": true, "name": "v1", "default": "self", "location": "header", "key": "ver", "versions": {"v2": "second", "v3": "gone"},
    }});
    let second =
        json!({"internal": true, "version_data": {"versions": {"Default": {"global_headers": {"X-Second": "1"}}}}});
    let setup =
        Setup::new().api(api(&upstream).named("first").with(family)).api(api(&upstream).named("second").with(second));
    let gateway = Gateway::start(setup).await;
    let status =
        async |version: &str| gateway.send(request("GET", "/first/x").header("ver", version), "").await.status();
    assert_eq!([status("v1").await, status("v2").await, status("v3").await, status("v9").await], [200, 200, 404, 404]);
    let seen: Vec<_> = upstream.requests().iter().map(|request| request.header("X-Second").is_some()).collect();
    assert_eq!(seen, [false, true]);
    assert!(upstream.requests().iter().all(|request| request.target == "/x"));
    assert_eq!(gateway.get("/second/x").await.status(), 404, "it is internal");
}

#[tokio::test]
async fn an_api_ends_when_it_says() {
    let upstream = Upstream::start().await;
    let setup = Setup::new()
        .api(api(&upstream).named("past").with(json!({"expiration": "2020-01-02 15:04"})))
        .api(api(&upstream).named("future").with(json!({"expiration": "2950-01-02 15:04"})))
        .api(api(&upstream).named("never").with(json!({"expiration": "-1"})));
    let gateway = Gateway::start(setup).await;
    let past = gateway.get("/past/").await;
    let ended = "API has expired, please check documentation or contact administrator";
    assert_eq!((past.status(), &*past.error()), (403, ended));
    let told = gateway.get("/future/").await.header("x-tyk-api-expires").map(str::to_owned);
    assert_eq!(told.as_deref(), Some("Fri, 02 Jan 2950 15:04:00 UTC"));
    assert_eq!(gateway.get("/never/").await.header("x-tyk-api-expires"), None);
}

#[tokio::test]
async fn listed_paths_are_closed_open_or_answered_by_the_gateway() {
    let upstream = Upstream::start().await;
    let mock = json!({"code": 418, "data": "tea", "action": "reply", "headers": {"X-Mock": "1"}});
    let lists = paths(json!({
        "black_list": [{"path": "/closed/{id}", "method": "GET"}, {"path": "/off", "disabled": true}],
        "mock_response": [{"path": "/mock", "method": "POST", "code": 201, "body": "made"}],
        "white_list": [{"path": "/o"}, {"path": "/closed"}, {"path": "/pot", "method_actions": {"GET": mock}}],
    }));
    let older = version(json!({"use_extended_paths": false, "paths": {"black_list": ["/closed"]}}));
    let setup =
        Setup::new().api(api(&upstream).named("lists").with(lists)).api(api(&upstream).named("older").with(older));
    let gateway = Gateway::start(setup).await;
    let status = async |method: &str, path: &str| gateway.send(request(method, path), "").await.status();
    assert_eq!(status("GET", "/lists/closed/7").await, 403);
    assert_eq!(status("POST", "/lists/closed/7").await, 200);
    assert_eq!(status("GET", "/lists/off").await, 200);
    assert_eq!(status("GET", "/lists/elsewhere").await, 403, "there is a list of open paths");
    assert_eq!([status("GET", "/older/closed").await, status("GET", "/older/open").await], [403, 200]);
    let made = gateway.send(request("POST", "/lists/mock"), "").await;
    assert_eq!((made.status(), made.text(), made.header("X-Ratelimit-Limit")), (201, "made", Some("0")));
    let tea = gateway.get("/lists/pot").await;
    assert_eq!((tea.status(), tea.header("X-Mock"), tea.text()), (418, Some("1"), "tea"));
}

#[tokio::test]
async fn an_ignored_path_needs_no_key() {
    let upstream = Upstream::start().await;
    let lists = paths(json!({"ignored": [{"path": "/open", "ignore_case": true}]}));
    let gateway = Gateway::start(api(&upstream).with(lists).with(json!({"use_keyless": false}))).await;
    let status = async |path: &str| gateway.get(path).await.status();
    assert_eq!([status("/open").await, status("/OPEN/x").await, status("/other").await], [200, 200, 401]);
}

#[tokio::test]
async fn a_version_may_have_an_upstream_of_its_own() {
    let [upstream, other] = [Upstream::start().await, Upstream::start().await];
    let instead = version(json!({"override_target": format!("http://{}/base", other.address)}));
    let gateway = Gateway::start(api(&upstream).with(instead)).await;
    assert_eq!(gateway.get("/x").await.status(), 200);
    assert_eq!((upstream.requests().len(), &*other.last().target), (0, "/base/x"));
}

#[tokio::test]
async fn a_version_that_cannot_be_is_refused_where_it_stands() {
    let upstream = Upstream::start().await;
    for (change, said) in [
        (
            paths(json!({"black_list": [{"path": "/("}]})),
            "version_data.versions.Default.extended_paths.black_list[0].path",
        ),
        (
            json!({"definition": {"location": "cookie"}, "version_data": {"not_versioned": false}}),
            "definition.location",
        ),
        (json!({"expiration": "tomorrow"}), "expiration: \\\"tomorrow\\\" is no date"),
        (paths(json!({"mock_response": [{"path": "/a", "code": 42}]})), "extended_paths.mock_response[0].code"),
    ] {
        let gateway = Gateway::start(api(&upstream).with(change)).await;
        gateway.process.says(said).await;
        assert_eq!(gateway.get("/x").await.status(), 404);
    }
}
