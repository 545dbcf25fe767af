//! How soon a member whose circuit was open has its share of the calls again.

use plimsoll::{
    Stack,
    chance::Chance,
    circuit_breaker::{self, CircuitBreaker},
    request::{CloneRequest, Replay, SentOnce},
    shuffle_shard::{Node, Outliers, Settings, ShuffleShard},
};
use tokio::task::JoinHandle;
use tower::Service;

use crate::world::{Answer, Mode, Req, SECOND, World, call, names, nodes, of, poll, rejection};

/// Of each second after its circuit opened: how many of 100 calls a member of two had, and how many callers were refused.
async fn recovery<R>(replay: R) -> Vec<(usize, usize)>
where
    R: Replay<Req> + Clone + Send + Sync + 'static,
{
    let world = World::default();
    let member = world.factory();
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new()).chance(Chance::seeded(5));
    let outliers = Outliers::new().without_consecutive_failures().without_success_rate();
    let router = ShuffleShard::new(nodes(names(2)), move |node: &Node| {
        Stack::new().circuit_breaker(breaker.fresh()).wrap(member(node))
    })
    .settings(Settings::new().with_outliers(outliers))
    .tenant_by(|req: &Req| req.tenant)
    .resend(replay);
    world.set("node-0", Mode::Fail);
    router.handle().eject("node-1");
    for _ in 0..10 {
        call(&router, of(1)).await.expect_err("it fails");
    }
    router.handle().restore("node-1");
    world.set_all(Mode::Takes(SECOND / 2));
    let mut clock = tokio::time::interval(SECOND / 100);
    let (mut seconds, mut under_way) = (Vec::new(), Vec::<JoinHandle<Answer>>::new());
    for _ in 0..20 {
        let before = world.calls("node-0");
        for _ in 0..100 {
            let router = router.clone();
            under_way.push(tokio::spawn(async move { call(&router, of(1)).await }));
            clock.tick().await;
        }
        let mut refused = 0;
        for ended in under_way.extract_if(.., |call| call.is_finished()) {
            refused += usize::from(ended.await.expect("no panic").is_err());
        }
        seconds.push((world.calls("node-0") - before, refused));
    }
    seconds
}

/// Its circuit is open for three seconds at most here, and on the ramp for ten. Each refusal of the ramp kept calls away from it
/// for a second, so it had one in a second, until its circuit closed and it had all at once.
#[tokio::test(start_paused = true)]
async fn a_member_on_the_ramp_has_its_part_where_others_take_what_it_refuses() {
    let seconds = recovery(CloneRequest).await;
    assert!(seconds.iter().all(|(_, refused)| *refused == 0), "{seconds:?}");
    let calls = |seconds: &[(usize, usize)]| seconds.iter().map(|(calls, _)| calls).sum::<usize>();
    assert!((40..=120).contains(&calls(&seconds[3..6])), "a part at first: {seconds:?}");
    assert!((180..=250).contains(&calls(&seconds[7..12])), "and more and more: {seconds:?}");
    assert!(seconds[14..].iter().all(|(calls, _)| (45..=55).contains(calls)), "{seconds:?}");
}

/// Who can go nowhere else is not sent where most are refused.
#[tokio::test(start_paused = true)]
async fn a_member_on_the_ramp_is_kept_away_from_where_its_refusals_are_answers() {
    let seconds = recovery(SentOnce).await;
    assert!(seconds.iter().all(|(_, refused)| *refused <= 1), "{seconds:?}");
    assert!(seconds.iter().map(|(_, refused)| refused).sum::<usize>() <= 12, "{seconds:?}");
    assert!(seconds[14..].iter().all(|(calls, _)| (45..=55).contains(calls)), "{seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_lets_nobody_through_and_a_half_open_one_does() {
    let world = World::default();
    let member = world.factory();
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
    let mut service = Stack::new().circuit_breaker(breaker).wrap(member(&Node::new("node-0")));
    world.set("node-0", Mode::Fail);
    for _ in 0..10 {
        call(&service, of(1)).await.expect_err("it fails");
    }
    assert!(!rejection(call(&service, of(1)).await).is_in_part());
    tokio::time::advance(5 * SECOND).await;
    world.set("node-0", Mode::Hang);
    let mut probe = Box::pin(service.call(of(1)));
    assert!(poll(&mut probe).is_pending());
    assert!(rejection(call(&service, of(1)).await).is_in_part());
}
