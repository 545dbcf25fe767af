//! The table: every layer and every stack that the suites go through.
//!
//! A line is a subject: its name, how many requests of weight 1 it lets in at once (`None` for any number), and the
//! stack. What holds something is made with the kit, so that a harness can look into it; `kit.on_inner(…)`,
//! `kit.outermost(…)` and `kit.inside(…)` put a gate's every permit and wait on the books.
//!
//! A room that remembers failures has to be set so that one failed or panicked call does not change how many it lets
//! in afterwards. Timers end within `kit::LIMIT`, or a harness takes the call for lost; what needs longer goes into a
//! test of the room's own.

use plimsoll::Refusal;
use tower::Service;

use super::kit::Ask;

/// What every layer and every stack is, over whatever it is built.
pub(crate) trait Subject: Service<Ask, Error: Refusal> + Clone {}

impl<S: Service<Ask, Error: Refusal> + Clone> Subject for S {}

/// Gives the table to a macro, and whatever else that wants to know in front of it, in brackets.
macro_rules! every_subject {
    ($check:ident $($with:tt)*) => {
        $check! {
            [$($with)*]
            nothing: None, |_: &Kit| Stack::new();
            bulkhead: Some(2), |kit: &Kit| Stack::new().bulkhead(kit.bulkhead(2));
            bulkhead_that_lets_wait: Some(2), |kit: &Kit| Stack::new().bulkhead(kit.waiting(2, Duration::MAX));
            bulkhead_that_lets_wait_for_a_time: Some(1), |kit: &Kit| Stack::new().bulkhead(kit.waiting(1, WAIT));
            bulkhead_newest_first: Some(1), |kit: &Kit| {
                Stack::new().bulkhead(kit.set(settings(1).with_wait(8, Duration::MAX).with_order(Order::NewestFirst)))
            };
            weighted_bulkhead: Some(3), |kit: &Kit| {
                Stack::new().bulkhead(kit.waiting(3, Duration::MAX).weight_by(|ask: &Ask| ask.weight))
            };
            weighted_bulkhead_that_refuses: Some(3), |kit: &Kit| {
                Stack::new().bulkhead(kit.bulkhead(3).weight_by(|ask: &Ask| ask.weight))
            };
            bulkhead_with_compartments: Some(3), |kit: &Kit| {
                let set = settings(4).try_with_compartments(&[2, 1]).expect("fits").with_wait(8, Duration::MAX);
                Stack::new().bulkhead(kit.set(set).compartment_by(|ask: &Ask| ask.compartment))
            };
            sharded_bulkhead: Some(2), |kit: &Kit| Stack::new().sharded_bulkhead(kit.sharded(1));
            sharded_bulkhead_of_wider_cells: Some(4), |kit: &Kit| Stack::new().gate(kit.on_inner(kit.sharded(2)));
            sharded_bulkhead_over_waiting_bulkhead: Some(1), |kit: &Kit| {
                Stack::new().sharded_bulkhead(kit.sharded(1)).bulkhead(kit.waiting(1, WAIT))
            };
            retry_over_sharded_bulkhead: Some(2), |kit: &Kit| {
                Stack::new().retry(quick()).sharded_bulkhead(kit.sharded(1))
            };
            timeout: None, |_: &Kit| Stack::new().timeout(LIMIT);
            timeout_without_end: None, |_: &Kit| Stack::new().timeout(Duration::MAX);
            gate: None, |kit: &Kit| Stack::new().gate(kit.on_inner(()));
            gate_that_refuses: Some(0), |kit: &Kit| Stack::new().gate(kit.on_inner(Shut));
            gate_that_lets_wait: None, |kit: &Kit| Stack::new().gate(kit.on_inner(Turnstile));
            gate_that_sets_timers: None, |kit: &Kit| Stack::new().gate(kit.on_inner(Hourglass));
            gate_left_out: None, |_: &Kit| Stack::new().gate(None::<Turnstile>);
            watched_bulkhead: Some(2), |kit: &Kit| Stack::new().gate(kit.on_inner(kit.waiting(2, Duration::MAX)));
            pair_that_refuses: Some(0), |kit: &Kit| Stack::new().gate(kit.on_inner(())).gate(kit.on_inner(Shut));
            pair: Some(1), |kit: &Kit| Stack::new().gate(kit.on_inner(())).bulkhead(kit.bulkhead(1));
            pair_of_waits: Some(1), |kit: &Kit| {
                Stack::new().gate(kit.on_inner(Turnstile)).gate(kit.on_inner(kit.waiting(1, Duration::MAX)))
            };
            pair_of_bulkheads: Some(2), |kit: &Kit| {
                Stack::new().gate(kit.on_inner(kit.waiting(3, WAIT))).gate(kit.on_inner(kit.waiting(2, Duration::MAX)))
            };
            triple: Some(1), |kit: &Kit| {
                let last = kit.on_inner(kit.bulkhead(1));
                Stack::new().gate(kit.on_inner(Turnstile)).bulkhead(kit.waiting(2, Duration::MAX)).gate(last)
            };
            triple_of_waits: Some(2), |kit: &Kit| {
                let (second, last) = (kit.on_inner(kit.waiting(2, Duration::MAX)), kit.on_inner(Turnstile));
                Stack::new().gate(kit.on_inner(())).gate(second).gate(last)
            };
            nested_gates: Some(1), |kit: &Kit| {
                let further_in = Stack::new().gate(kit.inside(kit.waiting(1, WAIT)));
                Stack::new().gate(kit.outermost(())).layer(further_in)
            };
            timeout_over_bulkhead: Some(1), |kit: &Kit| Stack::new().timeout(LIMIT).bulkhead(kit.waiting(1, WAIT));
            timeout_over_endless_wait: Some(1), |kit: &Kit| {
                Stack::new().timeout(LIMIT).bulkhead(kit.waiting(1, Duration::MAX))
            };
            bulkhead_over_timeout: Some(1), |kit: &Kit| {
                Stack::new().gate(kit.outermost(kit.waiting(1, Duration::MAX))).timeout(LIMIT)
            };
            timeout_over_bulkhead_over_timeout: Some(1), |kit: &Kit| {
                Stack::new().timeout(2 * LIMIT).bulkhead(kit.waiting(1, WAIT)).timeout(LIMIT)
            };
            gates_around_a_timeout: Some(1), |kit: &Kit| {
                let first = Stack::new().gate(kit.outermost(Turnstile)).bulkhead(kit.waiting(2, Duration::MAX));
                first.timeout(LIMIT).gate(kit.inside(kit.waiting(1, Duration::MAX)))
            };
            circuit_breaker: None, |_: &Kit| Stack::new().circuit_breaker(circuit_breaker::Settings::new());
            circuit_breaker_that_judges_slow_calls: None, |kit: &Kit| {
                let settings = circuit_breaker::Settings::new().with_slow_calls(LIMIT, Ratio::HALF);
                Stack::new().gate(kit.on_inner(CircuitBreaker::new(settings)))
            };
            circuit_breaker_held_open: Some(0), |kit: &Kit| {
                let breaker = CircuitBreaker::new(circuit_breaker::Settings::new());
                breaker.handle().force_open();
                Stack::new().gate(kit.on_inner(breaker))
            };
            surge_queue: Some(2), |kit: &Kit| Stack::new().surge_queue(kit.queue(2, surge_queue::Settings::new()));
            surge_queue_of_one: Some(1), |kit: &Kit| Stack::new().gate(kit.on_inner(kit.queue(1, patient())));
            surge_queue_of_two_lanes: Some(3), |kit: &Kit| Stack::new().surge_queue(kit.queue(2, two_lanes()));
            surge_queue_over_bulkhead: Some(1), |kit: &Kit| {
                Stack::new().surge_queue(kit.queue(2, patient())).bulkhead(kit.waiting(1, WAIT))
            };
            timeout_over_surge_queue: Some(2), |kit: &Kit| {
                Stack::new().timeout(LIMIT).gate(kit.inside(kit.queue(2, surge_queue::Settings::new())))
            };
            a_server: Some(2), |kit: &Kit| {
                Stack::new().timeout(2 * LIMIT).surge_queue(kit.queue(2, patient())).bulkhead(kit.bulkhead(3))
            };
            surge_queue_that_exempts: None, |kit: &Kit| {
                Stack::new().gate(kit.on_inner(kit.queue(1, patient()).exempt_by(|_: &Ask| true)))
            };
            meter: None, |kit: &Kit| Stack::new().gate(kit.on_inner(Meter::new("meter")));
            meters_around_a_bulkhead: Some(1), |kit: &Kit| {
                let all = meter::Settings::new().with_events();
                Stack::new().metered(all).bulkhead(kit.waiting(1, Duration::MAX)).metered("inside").counted()
            };
            contributors_over_bulkhead: Some(1), |kit: &Kit| {
                let contributors = Contributors::try_new(2, |ask: &Ask| ask.id).expect("not zero");
                Stack::new().gate(contributors).bulkhead(kit.waiting(1, WAIT))
            };
            load_shed: Some(2), |kit: &Kit| Stack::new().gate(kit.on_inner(kit.shed(2)));
            load_shed_that_exempts: None, |kit: &Kit| {
                Stack::new().gate(kit.on_inner(kit.shed(1).exempt_by(|_: &Ask| true)))
            };
            load_shed_over_waiting_bulkhead: Some(1), |kit: &Kit| {
                Stack::new().load_shed(kit.shed(3)).bulkhead(kit.waiting(1, WAIT))
            };
            retry_over_load_shed: Some(1), |kit: &Kit| Stack::new().retry(quick()).load_shed(kit.shed(1));
            surge_queue_over_load_shed: Some(2), |kit: &Kit| {
                Stack::new().gate(kit.on_inner(kit.queue_over_shed(2, patient())))
            };
            two_lanes_over_load_shed: Some(2), |kit: &Kit| {
                Stack::new().surge_queue(kit.queue_over_shed(1, two_lanes()))
            };
            overload_control: Some(2), |kit: &Kit| Stack::new().overload_control(patient(), kit.shed(2));
            a_server_under_overload_control: Some(2), |kit: &Kit| {
                Stack::new().timeout(LIMIT).overload_control(surge_queue::Settings::new(), kit.shed(2))
            };
            bulkhead_per_kind: Some(2), |kit: &Kit| {
                let bulkheads = [2, 1].map(|limit| kit.waiting(limit, Duration::MAX));
                Stack::new().gate(kit.on_inner(PerKind::try_new(bulkheads, |ask: &Ask| ask.compartment).expect("two")))
            };
            load_shed_per_kind: Some(2), |kit: &Kit| {
                let sheds = [1, 2].map(|limit| kit.shed(limit));
                Stack::new().gate(kit.on_inner(PerKind::try_new(sheds, |_: &Ask| usize::MAX).expect("two")))
            };
            surge_queue_per_kind: Some(1), |kit: &Kit| {
                let queues = [kit.queue_over_shed(1, patient()), kit.queue_over_shed(3, patient())];
                Stack::new().per_kind(PerKind::try_new(queues, |ask: &Ask| ask.compartment).expect("two"))
            };
            keyed_bulkhead: Some(2), |kit: &Kit| {
                let bulkheads = [kit.bulkhead(2), kit.bulkhead(1)];
                Stack::new().gate(kit.on_inner(kit.keyed(keyed::Settings::new(), bulkheads)))
            };
            keyed_bulkhead_that_lets_wait: Some(1), |kit: &Kit| {
                let bulkheads = [kit.waiting(1, Duration::MAX), kit.bulkhead(1)];
                Stack::new().gate(kit.on_inner(kit.keyed(keyed::Settings::new(), bulkheads)))
            };
            keyed_bulkhead_that_lets_wait_for_a_time: Some(1), |kit: &Kit| {
                let bulkheads = [kit.waiting(1, WAIT), kit.waiting(1, WAIT)];
                Stack::new().keyed(kit.keyed(keyed::Settings::new(), bulkheads))
            };
            keyed_bulkhead_without_room: Some(2), |kit: &Kit| {
                let bulkheads = [kit.waiting(2, Duration::MAX), Bulkhead::new(settings(9))];
                let one = keyed::Settings::new().try_with_capacity(1).expect("not zero");
                Stack::new().gate(kit.on_inner(packed(kit.keyed(one, bulkheads))))
            };
            keyed_bulkhead_that_refuses_for_want_of_room: Some(0), |kit: &Kit| {
                let one = keyed::Settings::new().try_with_capacity(1).expect("not zero").with_overflow(Overflow::Refuse);
                let bulkheads = [kit.bulkhead(9), Bulkhead::new(settings(9))];
                Stack::new().gate(kit.on_inner(packed(kit.keyed(one, bulkheads))))
            };
            keyed_circuit_breaker: None, |kit: &Kit| {
                let key = |ask: &Ask| ask.compartment;
                let breakers = Keyed::new(keyed::Settings::new(), key, |_: &usize| CircuitBreaker::default());
                Stack::new().gate(kit.on_inner(breakers))
            };
            keyed_of_keyed: Some(1), |kit: &Kit| {
                let inner = kit.keyed(keyed::Settings::new(), [kit.waiting(1, WAIT), kit.bulkhead(1)]);
                let outer = Keyed::new(keyed::Settings::new(), |ask: &Ask| ask.compartment, move |_: &usize| inner.clone());
                Stack::new().keyed(outer)
            };
            retry_over_keyed_bulkhead: Some(1), |kit: &Kit| {
                Stack::new().retry(quick()).keyed(kit.keyed(keyed::Settings::new(), [kit.waiting(1, WAIT), kit.bulkhead(1)]))
            };
            rate_limit: None, |_: &Kit| Stack::new().rate_limit(Quota::try_per_second(1000).expect("not zero"));
            rate_limit_that_refuses: Some(0), |kit: &Kit| {
                let limit = RateLimit::new(Quota::try_per_day(1).expect("not zero"));
                limit.handle().use_up();
                Stack::new().gate(kit.on_inner(limit))
            };
            rate_limit_that_exempts: None, |kit: &Kit| {
                Stack::new().gate(kit.on_inner(kit.rate(slow()).exempt_by(|_: &Ask| true)))
            };
            rate_limit_that_lets_wait: None, |kit: &Kit| Stack::new().gate(kit.on_inner(kit.rate(slow())));
            rate_limit_of_two_quotas: None, |kit: &Kit| {
                let minute = Quota::try_per_minute(100).and_then(|quota| quota.try_with_burst(2)).expect("not zero");
                let limit = kit.rate(slow().try_with_quota(minute).expect("two"));
                Stack::new().rate_limit(limit.cost_by(|ask: &Ask| ask.weight.min(1)))
            };
            rate_limit_that_only_observes: None, |kit: &Kit| {
                let limit = kit.rate(slow());
                limit.handle().observe_only();
                Stack::new().gate(kit.on_inner(limit))
            };
            rate_limit_over_waiting_bulkhead: Some(1), |kit: &Kit| {
                let often = Quota::try_per_second(1000).expect("not zero");
                Stack::new().rate_limit(often).bulkhead(kit.waiting(1, WAIT))
            };
            timeout_over_rate_limit: None, |kit: &Kit| {
                Stack::new().timeout(2 * LIMIT).gate(kit.inside(kit.rate(slow())))
            };
            keyed_rate_limit: None, |kit: &Kit| {
                let each = kit.rate(slow());
                let key = |ask: &Ask| ask.compartment;
                let limits = Keyed::new(keyed::Settings::new(), key, move |_: &usize| each.clone());
                Stack::new().gate(kit.on_inner(limits))
            };
            work_budget: Some(2), |kit: &Kit| Stack::new().work_budget(kit.budget(seats(2)));
            work_budget_that_refuses: Some(2), |kit: &Kit| {
                Stack::new().gate(kit.on_inner(kit.budget(seats(2).with_wait(0, Duration::ZERO))))
            };
            work_budget_whose_waits_run_out: Some(1), |kit: &Kit| {
                Stack::new().gate(kit.on_inner(kit.budget(seats(1).with_wait(8, WAIT))))
            };
            work_budget_without_fuel: Some(1), |kit: &Kit| {
                let plain = work_budget::Settings::try_new(1).expect("one").with_wait(8, Duration::MAX);
                Stack::new().gate(kit.on_inner(kit.budget(plain)))
            };
            work_budget_that_demotes: Some(2), |kit: &Kit| {
                let demotion = OverCost::Demote(Demotion::try_new(1).expect("one"));
                Stack::new().gate(kit.on_inner(kit.budget(seats(2).with_over_cost(demotion))))
            };
            work_budget_that_looks_at_polls: Some(1), |kit: &Kit| {
                let watching = seats(1).with_max_busy(LIMIT).with_long_poll(WAIT);
                Stack::new().gate(kit.on_inner(kit.budget(watching)))
            };
            work_budget_over_work_budget: Some(1), |kit: &Kit| {
                Stack::new().work_budget(kit.budget(seats(2))).gate(kit.on_inner(kit.budget(seats(1))))
            };
            retry_over_work_budget: Some(1), |kit: &Kit| Stack::new().retry(quick()).work_budget(kit.budget(seats(1)));
            work_budget_over_retry: Some(1), |kit: &Kit| {
                Stack::new().gate(kit.outermost(kit.budget(seats(1)))).retry(quick())
            };
            retry: None, |_: &Kit| Stack::new().retry(quick());
            throttled_retry: None, |_: &Kit| Stack::new().retry(quick().throttle(plimsoll::retry::Throttle::default()));
            retry_over_bulkhead: Some(1), |kit: &Kit| Stack::new().retry(quick()).bulkhead(kit.bulkhead(1));
            retry_over_waiting_bulkhead: Some(1), |kit: &Kit| {
                Stack::new().retry(quick()).gate(kit.inside(kit.waiting(1, WAIT)))
            };
            bulkhead_over_retry: Some(1), |kit: &Kit| {
                Stack::new().gate(kit.outermost(kit.waiting(1, Duration::MAX))).retry(quick())
            };
            a_client: Some(1), |kit: &Kit| {
                Stack::new()
                    .timeout(2 * LIMIT)
                    .retry(quick())
                    .bulkhead(kit.waiting(1, WAIT))
                    .circuit_breaker(circuit_breaker::Settings::new())
                    .timeout(LIMIT)
            };
            a_ready_made_server: Some(2), |_: &Kit| {
                let shed = plimsoll::load_shed::Settings::new().try_with_limits(64, 64).expect("valid");
                let server = plimsoll::server().with_timeout(LIMIT).with_overload_control(patient(), shed);
                server.exempt_by(|_: &Ask| false).with_bulkhead(settings(2)).stack()
            };
            a_ready_made_server_that_exempts: None, |_: &Kit| {
                plimsoll::server().exempt_by(|_: &Ask| true).with_bulkhead(settings(1)).with_timeout(LIMIT).stack()
            };
            a_ready_made_server_of_one_gate: Some(1), |_: &Kit| {
                let server = plimsoll::server().without_timeout().without_overload_control();
                server.with_bulkhead(settings(1).with_wait(8, Duration::MAX)).stack()
            };
            gate_that_some_pass_by: Some(1), |kit: &Kit| {
                let bulkhead = kit.waiting(1, Duration::MAX);
                Stack::new().gate(kit.on_inner(plimsoll::gate::Unless::new(|_: &Ask| false, bulkhead)))
            };
            a_ready_made_client: Some(1), |_: &Kit| {
                let client = plimsoll::client().with_seed(7).with_total_timeout(2 * LIMIT).with_attempt_timeout(LIMIT);
                client.with_bulkhead(settings(1).with_wait(8, WAIT)).stack()
            };
            a_ready_made_client_of_nothing: None, |_: &Kit| {
                let client = plimsoll::client().without_total_timeout().without_retry().without_bulkhead();
                client.without_circuit_breaker().without_attempt_timeout().stack()
            };
            shuffle_shard: None, |kit: &Kit| {
                let muster = kit.muster(3);
                Stack::new().layer(layer_fn(move |inner| muster.fleet(inner)))
            };
            shuffle_shard_of_one: None, |kit: &Kit| {
                let muster = kit.muster(1);
                Stack::new().gate(kit.outermost(())).layer(layer_fn(move |inner| muster.fleet(inner)))
            };
            shuffle_shard_of_none: Some(0), |kit: &Kit| {
                let muster = kit.muster(0);
                Stack::new().layer(layer_fn(move |inner| muster.fleet(inner)))
            };
            shuffle_shard_that_sends_again: None, |kit: &Kit| {
                let muster = kit.muster(3);
                Stack::new().layer(layer_fn(move |inner| muster.fleet(inner).resend(plimsoll::request::CloneRequest)))
            };
            retry_over_shuffle_shard: None, |kit: &Kit| {
                let muster = kit.muster(4);
                Stack::new().timeout(2 * LIMIT).retry(quick()).layer(layer_fn(move |inner| muster.fleet(inner)))
            };
            bulkhead_over_shuffle_shard_of_timeouts: Some(2), |kit: &Kit| {
                let muster = kit.muster(8);
                let members = layer_fn(move |inner| muster.fleet(Stack::new().timeout(LIMIT).wrap(inner)));
                Stack::new().bulkhead(kit.waiting(2, Duration::MAX)).layer(members)
            };
            // Tower's timeout keeps the inner future until its own is dropped. A gate around it does not.
            under_foreign_timeout: Some(1), |kit: &Kit| {
                let foreign = tower::timeout::TimeoutLayer::new(LIMIT);
                Stack::new().gate(kit.outermost(())).layer(foreign).bulkhead(kit.waiting(1, Duration::MAX))
            };
            under_foreign_load_shed: Some(2), |kit: &Kit| {
                let shed = tower::load_shed::LoadShedLayer::new();
                Stack::new().gate(kit.outermost(())).layer(shed).gate(kit.inside(kit.waiting(2, Duration::MAX)))
            };
            over_foreign_limit: Some(2), |kit: &Kit| {
                let limit = tower::limit::GlobalConcurrencyLimitLayer::new(2);
                Stack::new().gate(kit.outermost(kit.waiting(3, Duration::MAX))).layer(limit)
            };
            between_foreign_layers: Some(1), |kit: &Kit| {
                let outer = Stack::new().layer(tower::util::MapRequestLayer::new(|ask: Ask| ask));
                let inner = tower::util::MapResponseLayer::new(|response: u32| response);
                outer.bulkhead(kit.waiting(1, Duration::MAX)).layer(inner)
            };
        }
    };
}
