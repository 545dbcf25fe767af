//! Streams are parked, so that they do not keep everybody out.

use plimsoll::{Reason, Stack, bulkhead};
use tokio::time::advance;
use tokio_test::assert_ready_ok;
use tower::ServiceExt;

use crate::{Hang, MILLI, SECOND, Script, Takes, call, callee, held, limits, look, refusal};

#[tokio::test(start_paused = true)]
async fn that_others_overtake_makes_room_and_its_end_is_no_sample() {
    let script = Script::of(4);
    let (mut service, handle) = behind!(script.shed(limits(4, 40)));
    let streams = held(&mut service, 3);
    for _ in 0..4 * 17 {
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
    }
    assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 3));
    let more = held(&mut service, 4);
    assert_eq!(refusal(&mut service).reason(), Reason::LimitReached);
    drop(more);
    look(&mut service).await;
    script.seen();
    advance(100 * SECOND).await;
    drop(streams);
    look(&mut service).await;
    assert_eq!(script.seen().calls, 0, "longer than the mean, and still none");
    assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
}

/// Where all places are held by streams nobody can overtake them.
#[tokio::test(start_paused = true)]
async fn that_keeps_everybody_out_is_found_out_by_one_that_goes_beyond_the_limit() {
    let script = Script { lenient: true, ..Script::of(2) };
    let (mut service, handle) = behind!(script.shed(limits(2, 40)));
    let streams = held(&mut service, 2);
    assert_eq!(refusal(&mut service).reason(), Reason::LimitReached, "nobody knows yet");
    advance(60 * MILLI).await;
    for _ in 0..17 {
        assert_ready_ok!(call(&mut service, Takes(0)).poll());
    }
    assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 2));
    drop(streams);
    assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
}

/// More calls would only make a queue there.
#[tokio::test(start_paused = true)]
async fn is_not_what_a_service_holds_that_stands_still_into_which_ever_fewer_go() {
    for (lenient, max, went) in [(true, 40, vec![50, 150, 350, 750]), (true, 3, vec![50]), (false, 40, vec![])] {
        let script = Script { lenient, ..Script::of(2) };
        let (mut service, handle) = behind!(script.shed(limits(2, max)));
        let mut stuck = held(&mut service, 2);
        let mut beyond = Vec::new();
        for millis in 0..1000 {
            let mut one = call(&mut service, Hang);
            if one.poll().is_pending() {
                beyond.push(millis);
                stuck.push(one);
            }
            advance(MILLI).await;
        }
        assert_eq!(beyond, went, "lenient: {lenient}, at most {max}");
        drop(stuck);
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn is_no_service_that_stands_still() {
    let script = Script { lenient: true, ..Script::of(4) };
    let (mut service, handle) = behind!(script.shed(limits(4, 50)));
    let stuck = held(&mut service, 4);
    let mut scouts = Vec::new();
    for _ in 0..10_000 {
        advance(MILLI).await;
        let mut scout = call(&mut service, Hang);
        if scout.poll().is_pending() {
            scouts.push(scout);
        }
    }
    assert!((1..=8).contains(&scouts.len()), "ever fewer go: {}", scouts.len());
    drop((stuck, scouts));
    assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (0, 0));
}

/// Whoever was refused further in was taken for one that had overtaken: a bulkhead below that refused a flood had all
/// that it served parked, and nothing was measured any more.
#[tokio::test(start_paused = true)]
async fn is_not_what_a_bulkhead_further_in_serves() {
    let script = Script::of(10);
    for fused in [true, false] {
        let shed = script.shed(limits(10, 10));
        let handle = shed.handle();
        let (above, below) = (Stack::new().load_shed(shed), bulkhead::Settings::try_new(3).expect("valid"));
        let mut service = if fused {
            above.bulkhead(below).service(callee()).boxed_clone()
        } else {
            above.layer(tower::layer::util::Identity::new()).bulkhead(below).service(callee()).boxed_clone()
        };
        let served = held(&mut service, 3);
        for _ in 0..5000 {
            assert_eq!(refusal(&mut service).reason(), Reason::BulkheadFull);
        }
        assert_eq!((handle.snapshot().in_use, handle.snapshot().parked), (3, 0), "fused: {fused}");
        drop(served);
    }
}
