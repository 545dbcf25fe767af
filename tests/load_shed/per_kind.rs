//! One for each kind of request.

use plimsoll::{
    Event, Stack,
    gate::PerKind,
    load_shed::{Fixed, LoadShed},
};
use tokio_test::assert_ready_ok;

use crate::{Ask, Hang, Takes, call, callee, heard, held, limits, refusal, taken};

#[tokio::test(start_paused = true)]
async fn keeps_one_kinds_trouble_from_the_others_and_is_heard_by_the_stack() {
    let (heard, observer) = heard();
    let names = ["hanging", "others"];
    let sheds = names.map(|name| LoadShed::with_rule(limits(2, 9).with_name(name), Fixed::new));
    let handles = sheds.each_ref().map(LoadShed::handle);
    let kinds = PerKind::try_new(sheds, |ask: &Ask| if *ask == Hang { 0 } else { 7 }).expect("two");
    let mut service = Stack::new().per_kind(kinds).observe(observer).service(callee());
    let calls = held(&mut service, 2);
    assert_eq!(refusal(&mut service).layer(), "hanging");
    assert_ready_ok!(call(&mut service, Takes(0)).poll());
    assert_eq!(handles.each_ref().map(|handle| handle.snapshot().in_use), [2, 0]);
    handles[1].update(limits(1, 1));
    assert!(matches!(taken(&heard)[..], [Event::Refused(_), Event::LimitChanged { layer: "others", from: 2, to: 1 }]));
    drop(calls);
    assert_eq!(handles[0].snapshot().in_use, 0);
}
