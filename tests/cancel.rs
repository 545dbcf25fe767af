//! Whoever leaves, at whatever moment, leaves nothing behind.
//!
//! Every subject of `support/subjects.rs` goes through every script, and is dropped after every step; then many
//! callers meet at once, in random orders. The harnesses have to find planted faults, and nothing where there is none.
#![cfg(feature = "testing")]

#[macro_use]
mod support;

use std::time::Duration;

use plimsoll::{
    Error, Ratio, Stack,
    bulkhead::{Bulkhead, Order},
    circuit_breaker::{self, CircuitBreaker},
    gate::PerKind,
    keyed::{self, Keyed, Overflow},
    meter::{self, Contributors, Meter},
    rate_limit::{Quota, RateLimit},
    surge_queue,
    work_budget::{self, Demotion, OverCost},
};
use support::{
    client::Client,
    clock::Clock,
    cuts::{cut_everywhere, cut_everywhere_watched},
    doors::{Hourglass, Shut, Turnstile},
    finding::{Kind, Report},
    kit::{Ask, Boom, Kit, LIMIT, WAIT, packed, patient, quick, seats, settings, slow, two_lanes},
    mix::{Mix, mix_everything},
    planted::{Door, DoorFault, Porter, PorterFault},
};
use tower::{Service, layer::layer_fn};

macro_rules! cut {
    ([$harness:ident] $($name:ident: $capacity:expr, $stack:expr;)*) => {$(
        #[test]
        fn $name() {
            let report = $harness($capacity, |kit| ($stack)(kit).service(kit.mock()));
            println!("{}: {} cuts", stringify!($name), report.runs);
            report.expect_clean(stringify!($name));
        }
    )*};
}

/// A call dropped after any of its steps leaves nothing behind, alone and in a crowd.
mod a_call_cut_anywhere_leaves_nothing_behind {
    use super::*;

    every_subject!(cut cut_everywhere);
}

/// The same, seen by a gate around each subject: each permit settled once, and rightly.
mod a_gate_around_learns_how_a_cut_call_ended {
    use super::*;

    every_subject!(cut cut_everywhere_watched);
}

/// Four callers and more in a random order: nothing leaks, nobody sleeps on, nobody too many gets in.
mod in_any_order_of_many_callers_nothing_is_lost {
    use super::*;

    macro_rules! mixed {
        ($($name:ident: $seeds:expr, $mix:expr, $stack:expr;)*) => {$(
            #[test]
            fn $name() {
                let report = mix_everything($mix, 0..$seeds, |kit| ($stack)(kit).service(kit.mock()));
                println!("{}: {} seeds", stringify!($name), report.runs);
                report.expect_clean(stringify!($name));
            }
        )*};
    }

    mixed! {
        bulkhead: 1_500, Mix::of(2), |kit: &Kit| Stack::new().bulkhead(kit.bulkhead(2));
        bulkhead_that_lets_wait: 3_500, Mix::of(1), |kit: &Kit| {
            Stack::new().gate(kit.on_inner(kit.waiting(1, Duration::MAX)))
        };
        wider_bulkhead_that_lets_wait: 2_000, Mix { callers: 7, operations: 90, ..Mix::of(3) }, |kit: &Kit| {
            Stack::new().bulkhead(kit.waiting(3, Duration::MAX))
        };
        bulkhead_newest_first: 1_500, Mix { callers: 6, ..Mix::of(2) }, |kit: &Kit| {
            let set = settings(2).with_wait(8, Duration::MAX).with_order(Order::NewestFirst);
            Stack::new().gate(kit.on_inner(kit.set(set)))
        };
        resized_bulkhead: 3_000, Mix { callers: 6, resize: 4, ..Mix::of(2) }, |kit: &Kit| {
            Stack::new().gate(kit.on_inner(kit.waiting(2, Duration::MAX)))
        };
        resized_weighted_bulkhead: 2_000, Mix { callers: 6, heaviest: 3, resize: 4, ..Mix::of(3) }, |kit: &Kit| {
            Stack::new().bulkhead(kit.waiting(3, Duration::MAX).weight_by(|ask: &Ask| ask.weight))
        };
        weighted_bulkhead: 2_000, Mix { callers: 6, heaviest: 4, ..Mix::of(3) }, |kit: &Kit| {
            Stack::new().bulkhead(kit.waiting(3, Duration::MAX).weight_by(|ask: &Ask| ask.weight))
        };
        compartments: 2_000, Mix { callers: 7, compartments: 3, ..Mix::of(4) }, |kit: &Kit| {
            let set = settings(4).try_with_compartments(&[1, 1]).expect("fits").with_wait(8, Duration::MAX);
            Stack::new().bulkhead(kit.set(set).compartment_by(|ask: &Ask| ask.compartment))
        };
        weighted_compartments: 2_500, Mix { callers: 7, compartments: 3, heaviest: 3, ..Mix::of(5) }, |kit: &Kit| {
            let set = settings(5).try_with_compartments(&[3, 1]).expect("fits").with_wait(8, Duration::MAX);
            let bulkhead = kit.set(set).compartment_by(|ask: &Ask| ask.compartment);
            Stack::new().bulkhead(bulkhead.weight_by(|ask: &Ask| ask.weight))
        };
        waits_that_run_out: 1_500, Mix { callers: 6, time: true, ..Mix::of(1) }, |kit: &Kit| {
            Stack::new().timeout(LIMIT).gate(kit.inside(kit.waiting(1, Duration::from_secs(1))))
        };
        surge_queue: 2_500, Mix::of(1), |kit: &Kit| Stack::new().gate(kit.on_inner(kit.queue(1, patient())));
        surge_queue_of_classes_and_tenants: 2_500, Mix { callers: 7, compartments: 4, ..Mix::of(2) }, |kit: &Kit| {
            Stack::new().surge_queue(kit.queue(2, patient()))
        };
        surge_queue_that_displaces: 2_500, Mix { callers: 7, compartments: 4, ..Mix::of(1) }, |kit: &Kit| {
            let narrow = patient().try_with_max_waiting(2).expect("valid");
            Stack::new().gate(kit.on_inner(kit.queue(1, narrow)))
        };
        resized_surge_queue: 2_500, Mix { callers: 6, resize: 4, ..Mix::of(2) }, |kit: &Kit| {
            Stack::new().gate(kit.on_inner(kit.queue(2, patient())))
        };
        surge_queue_of_two_lanes: 2_500, Mix { callers: 7, compartments: 2, ..Mix::of(3) }, |kit: &Kit| {
            Stack::new().surge_queue(kit.queue(2, two_lanes()))
        };
        surge_queue_whose_waits_run_out: 1_500, Mix { callers: 6, time: true, ..Mix::of(1) }, |kit: &Kit| {
            Stack::new().timeout(LIMIT).gate(kit.inside(kit.queue(1, surge_queue::Settings::new())))
        };
        sharded_bulkhead: 1_500, Mix { callers: 6, ..Mix::of(4) }, |kit: &Kit| {
            Stack::new().sharded_bulkhead(kit.sharded(2))
        };
        load_shed: 1_500, Mix { callers: 5, ..Mix::of(2) }, |kit: &Kit| Stack::new().gate(kit.on_inner(kit.shed(2)));
        resized_load_shed: 1_500, Mix { callers: 6, resize: 4, ..Mix::of(3) }, |kit: &Kit| {
            Stack::new().load_shed(kit.shed(3))
        };
        surge_queue_over_load_shed: 2_500, Mix { callers: 7, compartments: 4, ..Mix::of(2) }, |kit: &Kit| {
            Stack::new().gate(kit.on_inner(kit.queue_over_shed(2, patient())))
        };
        resized_surge_queue_over_load_shed: 2_500, Mix { callers: 6, resize: 4, ..Mix::of(2) }, |kit: &Kit| {
            Stack::new().surge_queue(kit.queue_over_shed(2, patient()))
        };
        overload_control_whose_waits_run_out: 1_500, Mix { callers: 6, time: true, ..Mix::of(1) }, |kit: &Kit| {
            Stack::new().timeout(LIMIT).gate(kit.inside(kit.queue_over_shed(1, surge_queue::Settings::new())))
        };
        surge_queue_per_kind: 2_000, Mix { callers: 6, ..Mix::of(2) }, |kit: &Kit| {
            let queues = [kit.queue_over_shed(2, patient()), kit.queue_over_shed(2, patient())];
            let per_kind = PerKind::try_new(queues, |ask: &Ask| ask.compartment).expect("two");
            Stack::new().gate(kit.on_inner(per_kind))
        };
        keyed_bulkhead: 2_000, Mix { callers: 6, ..Mix::of(2) }, |kit: &Kit| {
            let bulkheads = [kit.waiting(2, Duration::MAX), kit.waiting(2, Duration::MAX)];
            Stack::new().gate(kit.on_inner(kit.keyed(keyed::Settings::new(), bulkheads)))
        };
        keyed_bulkhead_without_room: 2_000, Mix { callers: 6, ..Mix::of(2) }, |kit: &Kit| {
            let bulkheads = [kit.waiting(2, Duration::MAX), Bulkhead::new(settings(9))];
            let one = keyed::Settings::new().try_with_capacity(1).expect("not zero");
            Stack::new().gate(kit.on_inner(packed(kit.keyed(one, bulkheads))))
        };
        work_budget: 2_000, Mix { callers: 6, heaviest: 3, ..Mix::of(3) }, |kit: &Kit| {
            Stack::new().work_budget(kit.budget(seats(3)))
        };
        resized_work_budget: 2_500, Mix { callers: 6, heaviest: 3, resize: 4, ..Mix::of(3) }, |kit: &Kit| {
            let clamping = seats(3).with_over_cost(OverCost::Clamp);
            Stack::new().gate(kit.on_inner(kit.budget(clamping)))
        };
        work_budget_whose_waits_run_out: 1_500, Mix { callers: 6, time: true, ..Mix::of(1) }, |kit: &Kit| {
            Stack::new().timeout(LIMIT).gate(kit.inside(kit.budget(seats(1).with_wait(8, Duration::from_secs(1)))))
        };
        work_budget_over_work_budget: 1_500, Mix { callers: 6, ..Mix::of(2) }, |kit: &Kit| {
            Stack::new().work_budget(kit.budget(seats(2))).gate(kit.on_inner(kit.budget(seats(2))))
        };
        pair_of_bulkheads: 2_000, Mix { callers: 6, ..Mix::of(2) }, |kit: &Kit| {
            let outer = kit.set(settings(2).with_wait(8, Duration::MAX));
            Stack::new().gate(kit.on_inner(outer)).bulkhead(kit.waiting(2, Duration::MAX))
        };
    }
}

/// What the harnesses find among other things, each on its own.
mod whoever_waits {
    use super::*;

    /// A bulkhead of one whose permit the first client has, and for which the others wait.
    fn queue(kit: &Kit, length: usize) -> Vec<Client<impl Service<Ask, Error = Error<Boom>> + Clone>> {
        let service = Stack::new().gate(kit.on_inner(kit.waiting(1, Duration::MAX))).service(kit.mock());
        let mut clients: Vec<_> = (0..length).map(|id| Client::new(service.clone(), Ask::light(id))).collect();
        clients.iter_mut().for_each(Client::settle_down);
        assert_eq!(kit.loads()[0].waiting, length - 1);
        clients
    }

    #[test]
    fn and_leaves_with_the_turn_in_hand_passes_it_on() {
        let kit = Kit::new();
        let mut clients = queue(&kit, 4);
        drop(clients.remove(0));
        assert!(clients[0].flag.is_up(), "the turn has come");
        drop(clients.remove(0));
        assert!(clients[0].flag.is_up(), "it was passed on");
        assert!(!clients[1].flag.is_up(), "to one, and not to all");
        clients[0].settle_down();
        assert!(kit.reached(2) && !kit.reached(1));
    }

    #[test]
    fn and_leaves_before_its_turn_is_passed_over() {
        let kit = Kit::new();
        let mut clients = queue(&kit, 4);
        drop(clients.remove(1));
        drop(clients.remove(0));
        assert_eq!(clients.iter().map(|client| client.flag.wakes()).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(kit.loads()[0].waiting, 1);
    }

    #[test]
    fn and_leaves_lets_a_narrower_one_behind_go_on() {
        let kit = Kit::new();
        let bulkhead = kit.waiting(2, Duration::MAX).weight_by(|ask: &Ask| ask.weight);
        let service = Stack::new().gate(kit.on_inner(bulkhead)).service(kit.mock());
        let mut clients =
            [1, 2, 1].map(|weight| Client::new(service.clone(), Ask { weight, ..Ask::light(weight as usize) }));
        clients.iter_mut().for_each(Client::settle_down);
        assert_eq!((kit.inner.in_flight(), kit.loads()[0].waiting), (1, 2));
        clients[1].drop_future();
        assert!(clients[2].flag.is_up(), "there is room for it now");
    }

    #[test]
    fn and_was_never_polled_finds_its_turn_all_the_same() {
        let kit = Kit::new();
        let service = Stack::new().bulkhead(kit.waiting(1, Duration::MAX)).service(kit.mock());
        let mut pair = [10, 11].map(|id| Client::new(service.clone(), Ask::light(id)));
        for client in &mut pair {
            // Ready, and called; not polled.
            client.step();
            client.step();
        }
        assert_eq!(kit.loads()[0].waiting, 1);
        pair[0].drop_future();
        assert_eq!((kit.loads()[0].waiting, pair[1].flag.wakes()), (0, 0));
        pair[1].settle_down();
        assert!(kit.reached(11));
    }

    #[test]
    fn takes_a_turn_that_comes_as_its_time_runs_out() {
        let (clock, kit) = (Clock::new(), Kit::new());
        let _entered = clock.enter();
        let service = Stack::new().gate(kit.on_inner(kit.waiting(1, WAIT))).service(kit.mock());
        let mut clients = [0, 1].map(|id| Client::new(service.clone(), Ask::light(id)));
        clients.iter_mut().for_each(Client::settle_down);
        clock.advance(WAIT * 2);
        clients[0].drop_future();
        clients[1].settle_down();
        assert!(kit.reached(1), "refused with its turn in hand: {:?}", clients[1].stage);
        clients[1].drop_future();
        assert!(kit.remains(Kind::Leak, "after all").is_empty());
    }

    /// Nobody passes one who is too wide for what is free just now. But one who is wider than all common permits
    /// waits for its own compartment's, and once kept everybody from the common ones, for as long as that hung.
    #[test]
    fn for_more_than_the_common_permits_keeps_nobody_from_them() {
        let kit = Kit::new();
        let set = settings(8).try_with_compartments(&[5]).expect("fits").with_wait(8, Duration::MAX);
        let bulkhead = kit.set(set).weight_by(|ask: &Ask| ask.weight).compartment_by(|ask: &Ask| ask.compartment);
        let service = Stack::new().gate(kit.on_inner(bulkhead)).service(kit.mock());
        let come = |id, weight, compartment| {
            let mut client = Client::new(service.clone(), Ask { id, weight, compartment });
            client.settle_down();
            client
        };
        let (hung, wide) = (come(0, 5, 0), come(1, 5, 0));
        assert!(kit.reached(0) && !kit.reached(1));
        let others = [come(2, 1, 9), come(3, 2, 9), come(4, 3, 9)];
        assert!(kit.reached(2) && kit.reached(3), "common permits are free");
        assert!(!kit.reached(4));
        drop(others);
        let (mut last, behind) = (come(5, 3, 9), come(6, 1, 9));
        assert!(kit.reached(5) && !kit.reached(6));
        last.drop_future();
        assert!(behind.flag.is_up(), "handed over past the wide one");
        drop(hung);
        assert!(wide.flag.is_up(), "which has its turn once its compartment has room");
    }
}

/// What the harnesses are worth: each fault is found, and where there is none, none is.
mod planted_faults_are_found {
    use super::*;

    fn cut_door(waits: bool, fault: Option<DoorFault>) -> Report {
        cut_everywhere(Some(1), |kit| {
            Stack::new().gate(kit.on_inner(Door::new(kit, 1, waits, fault))).service(kit.mock())
        })
    }

    fn mixed_door(limit: usize, fault: Option<DoorFault>) -> Report {
        let mix = Mix { callers: 5, ..Mix::of(limit) };
        mix_everything(mix, 0..300, |kit| {
            Stack::new().gate(kit.on_inner(Door::new(kit, limit, true, fault))).service(kit.mock())
        })
    }

    fn cut_porter(fault: Option<PorterFault>) -> Report {
        cut_everywhere(Some(1), |kit| Porter::new(kit, 1, fault, Stack::new().service(kit.mock())))
    }

    #[track_caller]
    fn must_find(report: &Report, kind: Kind) {
        assert!(report.found(kind), "{kind:?} was not found in {} runs:\n{report}", report.runs);
    }

    #[test]
    fn none_where_there_is_none() {
        cut_door(false, None).expect_clean("door that refuses");
        cut_door(true, None).expect_clean("door that lets wait");
        mixed_door(1, None).expect_clean("door in a mix");
        mixed_door(3, None).expect_clean("wider door in a mix");
        cut_porter(None).expect_clean("porter");
    }

    macro_rules! found {
        ($($name:ident: $report:expr => $($kind:ident),+;)*) => {$(
            #[test]
            fn $name() {
                let report = $report;
                $(must_find(&report, Kind::$kind);)+
            }
        )*};
    }

    found! {
        a_door_that_lets_one_too_many_in: cut_door(false, Some(DoorFault::LetsOneTooManyIn)) => OverAdmission;
        a_door_that_lets_one_too_many_in_of_a_crowd: mixed_door(2, Some(DoorFault::LetsOneTooManyIn)) => OverAdmission;
        a_door_that_keeps_no_waker: mixed_door(1, Some(DoorFault::KeepsNoWaker)) => LostWakeup;
        a_door_that_keeps_no_waker_when_cut: cut_door(true, Some(DoorFault::KeepsNoWaker)) => LostWakeup;
        a_door_that_keeps_the_first_waker: mixed_door(1, Some(DoorFault::KeepsTheFirstWaker)) => LostWakeup;
        a_door_that_lets_a_leaver_swallow_the_turn: cut_door(true, Some(DoorFault::SwallowsTheTurn)) => Leak, NotLetIn;
        a_door_that_lets_a_leaver_swallow_the_turn_of_others:
            cut_door(true, Some(DoorFault::SwallowsTheTurn)) => LostWakeup;
        a_door_that_keeps_ghosts: cut_door(true, Some(DoorFault::KeepsGhosts)) => StillWaiting;
        a_door_that_wakes_everybody: mixed_door(1, Some(DoorFault::WakesEverybody)) => NeedlessWake;
        a_door_that_hands_nothing_over: mixed_door(1, Some(DoorFault::HandsNothingOver)) => IdleCapacity;
        a_door_that_hands_nothing_over_when_cut: cut_door(true, Some(DoorFault::HandsNothingOver)) => LostWakeup;
        a_porter_who_leaks_on_error: cut_porter(Some(PorterFault::LeaksOnError)) => Leak, Unsettled, NotLetIn;
        a_porter_who_guards_from_the_first_poll:
            cut_porter(Some(PorterFault::GuardsFromTheFirstPoll)) => Leak, Unsettled;
        a_porter_who_frees_after_the_await: cut_porter(Some(PorterFault::FreesAfterTheAwait)) => Leak, Unsettled;
        a_porter_who_holds_until_dropped: cut_porter(Some(PorterFault::HoldsUntilDropped)) => HeldAfterTheEnd;
        a_porter_who_settles_twice: cut_porter(Some(PorterFault::SettlesTwice)) => SettledTwice;
        a_porter_who_holds_through_panics: cut_porter(Some(PorterFault::HoldsThroughPanics)) => HeldAfterTheEnd;
        a_porter_who_takes_leaving_for_answering:
            cut_porter(Some(PorterFault::TakesLeavingForAnswering)) => WrongEnding;
    }
}
