use proptest::prelude::*;

use super::*;
use crate::load_shed::window::made::Made;

/// A service in equations: so many at once cost nothing, and beyond that all wait for one another.
#[derive(Clone, Copy)]
struct Plant {
    width: f64,
    millis: f64,
    /// Requests a second; more than it can do keeps the limit reached.
    offered: f64,
}

impl Plant {
    const BUSY: Self = Self { width: 8.0, millis: 10.0, offered: f64::INFINITY };

    /// A window of 100 ms at this limit.
    fn window(&self, limit: f64) -> Made {
        let concurrency = limit.round().max(1.0);
        let millis = self.millis * (concurrency / self.width).max(1.0);
        let served = (concurrency * 1e3 / millis).min(self.offered);
        Made { bound: served < self.offered, ..Made::bound((served / 10.0) as u32, millis) }
    }
}

/// A rule before a service, and the time.
struct Loop {
    rule: VerifiedGradient,
    now: Instant,
    /// The window so far.
    window: Option<Made>,
}

impl Loop {
    fn new(settings: Settings) -> Self {
        Self { rule: VerifiedGradient::new(&settings), now: Instant::from_nanos(1 << 40), window: None }
    }

    /// Another 100 ms.
    fn step(&mut self, plant: Plant) {
        let more = plant.window(self.rule.limit());
        let window = match self.window {
            Some(window) => Made { calls: window.calls + more.calls, lasted: window.lasted + more.lasted, ..more },
            None => more,
        };
        let began = self.now.before(window.lasted - more.lasted);
        self.now = self.now.after(more.lasted);
        match window.show_at(began, &mut self.rule) {
            Step::Gather(_) => self.window = Some(window),
            Step::Close(settle) => (self.window, self.now) = (None, self.now.after(settle)),
        }
    }

    /// For so many seconds. The lowest and the highest limit in the last half are the answer, but for trials.
    fn run(&mut self, plant: Plant, seconds: f64) -> (f64, f64) {
        let began = self.now;
        let (mut low, mut high) = (f64::INFINITY, 0f64);
        while self.now.since(began).as_secs_f64() < seconds {
            self.step(plant);
            if self.now.since(began).as_secs_f64() > seconds / 2.0 && !self.rule.is_probing() {
                (low, high) = (low.min(self.rule.limit()), high.max(self.rule.limit()));
            }
        }
        (low, high)
    }
}

#[test]
fn it_finds_how_wide_a_service_is() {
    for width in [2.0, 8.0, 80.0, 1000.0] {
        let (low, high) = Loop::new(Settings::new()).run(Plant { width, ..Plant::BUSY }, 30.0);
        assert!(low >= width && high <= 3.0 * width + 4.0, "{width} wide: {low} to {high}");
    }
}

/// Whatever lasts becomes normal to a gradient that follows its own long run: under a lasting overload it creeps up.
#[test]
fn its_own_queue_never_becomes_normal() {
    let (_, high) = Loop::new(Settings::new()).run(Plant::BUSY, 3600.0);
    assert!(high <= 20.0, "{high}");
}

/// Five times slower, and as many more fit in at once: a limit that holds on to the old latency chokes the service.
#[test]
fn a_dependency_that_got_slower_is_told_from_a_queue() {
    let fast = Plant { width: 80.0, millis: 20.0, ..Plant::BUSY };
    let slow = Plant { width: 400.0, millis: 100.0, ..fast };
    let mut verified = Loop::new(Settings::new());
    verified.run(fast, 20.0);
    let (low, _) = verified.run(slow, 20.0);
    assert!(low >= 400.0, "{low}");
    let (_, high) = verified.run(fast, 40.0);
    assert!(high <= 250.0, "and back: {high}");
}

#[test]
fn a_shared_bottleneck_is_never_believed_to_be_normal() {
    let fast = Plant { width: 80.0, millis: 20.0, ..Plant::BUSY };
    let slow = Plant { width: 400.0, millis: 100.0, ..fast };
    let mut wary = Loop::new(Settings::new().with_bottleneck(Bottleneck::Shared));
    wary.run(fast, 20.0);
    let (_, high) = wary.run(slow, 20.0);
    assert!(high <= 40.0, "{high}");
}

#[test]
fn a_limit_that_nobody_reaches_stays_as_it_is() {
    let mut idle = Loop::new(Settings::new());
    let before = idle.rule.limit();
    let (low, high) = idle.run(Plant { width: 80.0, millis: 2.0, offered: 500.0 }, 30.0);
    assert_eq!((low, high), (before, before));
}

#[test]
fn overloads_further_in_cut_it_once_a_window_if_they_are_many() {
    let mut rule = VerifiedGradient::new(&Settings::new().try_with_limits(100, 1000).expect("valid"));
    let few = Made { overloads: 1, bound: false, ..Made::bound(100, 10.0) };
    assert_eq!(few.show(&mut rule, 0), 100.0);
    let many = Made { overloads: 10, bound: false, ..Made::bound(5, 10.0) };
    assert_eq!(many.show(&mut rule, 1), 90.0);
    assert_eq!(many.show(&mut rule, 1), 90.0, "the same window");
    assert_eq!(many.show(&mut rule, 2), 81.0);
}

/// Halved, with next to nobody to see it: it must not stay so.
#[test]
fn a_trial_on_too_few_calls_ends_without_a_verdict() {
    let mut quiet = Loop::new(Settings::new());
    let busy = Plant { width: 80.0, ..Plant::BUSY };
    quiet.run(busy, 5.0);
    let tries = (0..100).any(|_| {
        quiet.step(Plant { millis: 60.0, width: 8.0, ..busy });
        matches!(quiet.rule.mode, Mode::Halve { .. })
    });
    assert!(tries);
    let (halved, baseline) = (quiet.rule.limit(), quiet.rule.baseline());
    let trickle = Made { lasted: Duration::from_millis(900), bound: false, ..Made::bound(3, 10.0) };
    trickle.show_at(quiet.now, &mut quiet.rule);
    assert!(quiet.rule.is_probing(), "it is too early to tell");
    let silence = Made { lasted: Duration::from_secs(5), ..trickle };
    silence.show_at(quiet.now, &mut quiet.rule);
    assert!(!quiet.rule.is_probing());
    assert_eq!((quiet.rule.limit(), quiet.rule.baseline()), (2.0 * halved, baseline));
}

/// Some quick answers at first, from a cache or of a health check, and the service would have been choked for ever: slower
/// by more than the baseline may be raised, it was taken for a queue at a limit of two. Now it rises until calls are within
/// twice the baseline, ten times as far.
#[test]
fn a_service_whose_first_answers_were_quick_is_not_choked() {
    let mut misled = Loop::new(Settings::new());
    misled.run(Plant { width: 1e6, millis: 1.0, offered: 2_000.0 }, 5.0);
    let (low, _) = misled.run(Plant { width: 1e6, millis: 30.0, offered: f64::INFINITY }, 60.0);
    assert!(low > 20.0, "{low}");
}

/// Everything fails for want of time or room, and no call shows how long one takes.
#[test]
fn a_total_outage_cuts_it_to_one() {
    let mut rule = VerifiedGradient::new(&Settings::new().try_with_limits(100, 1000).expect("valid"));
    let outage = Made { overloads: 20, ..Made::bound(0, 10.0) };
    assert!((0..60).all(|n| outage.show(&mut rule, n) < 100.0));
    assert_eq!(rule.limit(), 1.0);
}

/// One verdict doubles the baseline at most, and all of them together may not leave the best of late far behind.
#[test]
fn the_baseline_is_raised_within_bounds() {
    let mut verified = Loop::new(Settings::new());
    let fast = Plant { width: 1e6, millis: 5.0, ..Plant::BUSY };
    verified.run(fast, 3.0);
    verified.run(Plant { millis: 5_000.0, ..fast }, 200.0);
    let baseline = verified.rule.baseline().expect("known");
    assert!((0.03..=0.042).contains(&baseline), "{baseline}");
}

#[test]
fn a_private_bottleneck_lets_calls_become_as_slow_as_callers_bear() {
    let settings = Settings::new().with_bottleneck(Bottleneck::Private);
    let mut rule = VerifiedGradient::new(&settings);
    let (mut now, millis) = (Instant::from_nanos(1), |n: u32| if n < 30 { 5.0 } else { 500.0 });
    for n in 0..400 {
        let (calls, patience) =
            ((rule.limit() * 1e3 / millis(n)).clamp(60.0, 1e5) as u32, Some(Duration::from_secs(10)));
        let lasted = Duration::from_millis(100).max(Duration::from_millis(2 * millis(n) as u64));
        let window = Made { patience, lasted, ..Made::bound(calls, millis(n)) };
        now = match window.show_at(now, &mut rule) {
            Step::Gather(_) => now.after(lasted),
            Step::Close(settle) => now.after(lasted).after(settle),
        };
    }
    let baseline = rule.baseline().expect("known");
    assert!(baseline > 0.45, "{baseline}");
}

#[test]
fn a_smaller_largest_limit_counts_at_once() {
    let mut rule = VerifiedGradient::new(&Settings::new().try_with_limits(500, 1000).expect("valid"));
    rule.update(&Settings::new().try_with_limits(4, 50).expect("valid"));
    assert_eq!(rule.limit(), 50.0);
}

/// A rule in the middle of its work, whose baseline is 10 ms, and that cannot grow.
pub(super) fn at_its_most(limit: u32) -> VerifiedGradient {
    let mut rule = VerifiedGradient::new(&Settings::new().try_with_limits(limit, limit).expect("valid"));
    rule.started = true;
    rule.baseline.lower(0.01);
    rule.latency = Some(0.01);
    rule
}

/// Whether a window is full, of so many calls in so many milliseconds.
fn is_closed(rule: &mut VerifiedGradient, calls: u32, lasted: u64) -> bool {
    let window = Made { lasted: Duration::from_millis(lasted), bound: false, ..Made::bound(calls, 10.0) };
    matches!(window.show_at(Instant::from_nanos(1 << 40), rule), Step::Close(_))
}

#[test]
fn a_window_waits_for_few_calls_for_no_more_than_ten_seconds() {
    let full = |calls, lasted| is_closed(&mut at_its_most(100), calls, lasted);
    assert!(full(50, 100) && full(10, 1_100) && full(3, 10_100));
    assert!(!full(500, 50) && !full(49, 1_000) && !full(9, 10_000) && !full(2, 60_000));
    let mut first = VerifiedGradient::new(&Settings::new());
    assert!(!is_closed(&mut first, 15, 100) && is_closed(&mut first, 16, 100));
    first.started = true;
    assert!(!is_closed(&mut first, 16, 100));
}

/// It waited for as long as they took, for a minute perhaps, before it did anything about it.
#[test]
fn calls_that_take_for_ever_all_at_once_do_not_blind_it() {
    let stall = Made { bound: false, ..Made::bound(60, 60_000.0) };
    assert!(matches!(stall.show_at(Instant::from_nanos(1), &mut at_its_most(100)), Step::Close(_)));
    let slow = Made { lasted: Duration::from_secs(11), ..stall };
    let mut rule = at_its_most(100);
    rule.latency = Some(60.0);
    assert!(matches!(stall.show_at(Instant::from_nanos(1), &mut rule), Step::Gather(_)));
    assert!(matches!(slow.show_at(Instant::from_nanos(1), &mut rule), Step::Close(_)));
}

#[test]
fn after_a_move_it_waits_for_what_that_shows_and_then_needs_no_long_window() {
    let mut rule = VerifiedGradient::new(&Settings::new().try_with_limits(100, 1000).expect("valid"));
    let (now, short) = (Instant::from_nanos(1), Duration::from_millis(60));
    let window = Made { lasted: Duration::from_millis(300), ..Made::bound(100, 200.0) };
    let Step::Close(settle) = window.show_at(now, &mut rule) else { panic!("it was full") };
    assert!(settle.abs_diff(Duration::from_millis(200)) < Duration::from_millis(8), "{settle:?}");
    assert!((rule.limit() - (150.0 + 150f64.sqrt())).abs() < 1e-6, "by half, and its root: {}", rule.limit());
    let short = Made { lasted: short, bound: false, ..window };
    assert!(matches!(short.show_at(now, &mut rule), Step::Close(Duration::ZERO)));
    assert!(matches!(short.show_at(now, &mut rule), Step::Gather(_)));
}

#[test]
fn where_more_is_overloaded_than_answered_the_times_count_for_nothing() {
    let show = |calls, lasted| {
        let mut rule = VerifiedGradient::new(&Settings::new().try_with_limits(100, 1000).expect("valid"));
        let lasted = Duration::from_millis(lasted);
        let window = Made { overloads: 60, bound: false, lasted, ..Made::bound(calls, 10.0) };
        let step = window.show_at(Instant::from_nanos(1), &mut rule);
        (rule.limit(), rule.baseline().is_some(), matches!(step, Step::Close(_)))
    };
    assert_eq!(show(59, 100), (90.0, false, true));
    assert_eq!(show(61, 100), (90.0, true, true));
    assert_eq!(show(59, 50), (100.0, false, false), "too early to tell");
}

#[test]
fn it_verifies_ever_more_seldom() {
    let mut rule = at_its_most(100);
    let epochs = [(); 5].map(|()| {
        rule.next_epoch(Instant::from_nanos(1));
        rule.epoch.as_secs()
    });
    assert_eq!(epochs, [2, 4, 8, 10, 10]);
}

#[test]
fn whose_queue_it_is_may_be_said_later() {
    let mut rule = at_its_most(100);
    rule.update(&Settings::new().with_bottleneck(Bottleneck::Shared));
    assert_eq!(rule.bottleneck, Bottleneck::Shared);
}

proptest! {
    /// Whatever the windows show, in whatever order, there is a limit, and it is one that may be.
    #[test]
    fn no_window_can_lead_it_astray(
        windows in proptest::collection::vec(
            (0u32..400, 0.0f64..1e6, any::<bool>(), 0u32..20, 0u64..20_000, proptest::option::of(0u64..10_000)),
            0..200,
        ),
    ) {
        let mut rule = VerifiedGradient::new(&Settings::new().try_with_limits(4, 300).expect("valid"));
        let mut now = Instant::from_nanos(0);
        for (calls, millis, bound, overloads, lasted, patience) in windows {
            let lasted = Duration::from_millis(lasted);
            let patience = patience.map(Duration::from_millis);
            Made { calls, millis, bound, overloads, lasted, patience }.show_at(now, &mut rule);
            now = now.after(lasted);
            prop_assert!((0.5..=300.0).contains(&rule.limit()), "{}", rule.limit());
        }
    }
}
