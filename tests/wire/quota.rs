//! What a rate limit's own numbers say in `RateLimit` fields.

use std::time::Duration;

use axum::{Router, extract::Request, routing::any};
use plimsoll::{
    Stack,
    http::{self, AnnounceQuota, RespondRejections},
    keyed::{self, Keyed},
    rate_limit::{self, Quota, RateLimit, Settings},
};

use crate::clients::{ask, by_hand, by_hyper, by_reqwest, seen, serve};

const TEXT: &str = "content-type: text/plain; charset=utf-8";

fn limited(settings: impl Into<Settings>) -> (Router, rate_limit::Handle) {
    let limit = RateLimit::new(settings.into());
    let handle = limit.handle();
    let stack =
        Stack::new().layer(AnnounceQuota::new(limit.handle())).layer(RespondRejections::problems()).rate_limit(limit);
    (Router::new().route("/", any(|| async { "hello" })).layer(stack.wrapping()), handle)
}

/// A quota that is used up by three clients, and what each of them is told.
#[tokio::test(start_paused = true)]
async fn a_limit_says_itself_what_is_left_of_it() {
    let (app, handle) = limited(Settings::new(Quota::try_per_hour(3).expect("valid")).with_name("reports"));
    let address = serve(app).await;
    let policy = r#"ratelimit-policy: "reports";q=3;w=3600"#;
    let served =
        [by_hand(address, "/", &[]).await, by_hyper(address, "/", &[]).await, by_reqwest(address, "/", &[]).await];
    for (answer, left) in served.into_iter().zip([
        r#"ratelimit: "reports";r=2;t=1200"#,
        r#"ratelimit: "reports";r=1;t=2400"#,
        r#"ratelimit: "reports";r=0;t=3600"#,
    ]) {
        assert_eq!(answer, seen(200, &["content-length: 5", TEXT, left, policy], "hello"));
    }
    let refused = ask(address, "/", &[]).await;
    assert_eq!(refused.status, 429);
    let length = format!("content-length: {}", refused.body.len());
    let headers = [
        &*length,
        "content-type: application/problem+json",
        policy,
        // All of it is there in an hour, and one of three, with which a request goes through, in twenty minutes.
        r#"ratelimit: "reports";r=0;t=1200"#,
        "retry-after: 1200",
    ];
    assert_eq!(refused, seen(429, &headers, &refused.body));
    assert!(
        refused.body.contains(r#""violated-policies":["reports"]"#),
        "the policy goes by the same name: {refused:?}"
    );

    tokio::time::advance(Duration::from_secs(1199)).await;
    assert!(ask(address, "/", &[]).await.headers.contains(&"retry-after: 1".to_owned()));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(by_hyper(address, "/", &[]).await.status, 200, "who comes when told is served");

    handle.update(Settings::new(Quota::try_per_hour(60).expect("valid")));
    let changed = by_hand(address, "/", &[]).await.headers;
    assert!(changed.contains(&r#"ratelimit-policy: "reports";q=60;w=3600"#.to_owned()), "{changed:?}");
}

#[tokio::test(start_paused = true)]
async fn of_several_quotas_the_tightest_is_told() {
    let quotas = [Quota::try_per_second(2).expect("valid"), Quota::try_per_hour(3).expect("valid")];
    let (app, _) = limited(Settings::try_new(&quotas).expect("valid"));
    let address = serve(app).await;
    let mut told = Vec::new();
    for pause in [0, 0, 1, 0] {
        tokio::time::advance(Duration::from_secs(pause)).await;
        let mut answer = by_hyper(address, "/", &[]).await;
        answer.headers.retain(|line| line.starts_with("ratelimit: "));
        told.push((answer.status, answer.headers.concat()));
    }
    let line = |status, text: &str| (status, format!("ratelimit: \"rate_limit\";{text}"));
    assert_eq!(told[..2], [line(200, "r=1;t=1"), line(200, "r=0;t=1")], "two a second");
    assert_eq!(told[2..], [line(200, "r=0;t=3599"), line(429, "r=0;t=1199")], "three an hour");
}

#[tokio::test(start_paused = true)]
async fn each_tenant_is_told_of_its_own() {
    let tenant = |req: &Request| req.uri().query().unwrap_or("nobody").to_owned();
    let each = RateLimit::new(Quota::try_per_hour(2).expect("valid"));
    let tenants = Keyed::new(keyed::Settings::new(), tenant, move |_: &String| each.fresh());
    let limits = tenants.handle();
    let announce = AnnounceQuota::new(move |req: &Request| {
        let (limits, tenant) = (limits.clone(), tenant(req));
        move || limits.get(&tenant).map(|limit| http::Quota::of("tenant", &limit.handle().remaining()))
    });
    let stack = Stack::new().layer(announce).layer(RespondRejections::new()).keyed(tenants);
    let address = serve(Router::new().route("/", any(|| async { "hello" })).layer(stack.wrapping())).await;
    let mut told = Vec::new();
    for tenant in ["/?a", "/?a", "/?a", "/?b"] {
        let answer = by_reqwest(address, tenant, &[]).await;
        let field = answer.headers.into_iter().find_map(|line| Some(line.strip_prefix("ratelimit: ")?.to_owned()));
        told.push((answer.status, field.expect("told")));
    }
    let line = |status, text: &str| (status, format!("\"tenant\";{text}"));
    assert_eq!(
        told,
        [line(200, "r=1;t=1800"), line(200, "r=0;t=3600"), line(429, "r=0;t=1800"), line(200, "r=1;t=1800")]
    );
}
