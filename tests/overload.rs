//! The promises under overload, each with one seed and for a few seconds: the scenarios of `examples/overload_matrix`,
//! which plays them all, for longer, with many seeds, and beside others.
//!
//! A run repeats to the last digit, so a mark that holds today fails only when something was changed.
#![cfg(feature = "testing")]

#[path = "../examples/overload_matrix/columns.rs"]
#[allow(dead_code, reason = "the matrix has more columns")]
mod columns;
#[path = "../examples/overload_matrix/marks.rs"]
#[allow(dead_code, reason = "the matrix judges by them")]
mod marks;
#[path = "../examples/overload_matrix/oracle.rs"]
mod oracle;
#[path = "../examples/overload_matrix/play.rs"]
#[allow(dead_code, reason = "the matrix reads more off a run")]
mod play;
#[path = "../examples/overload_matrix/scenarios/mod.rs"]
#[allow(dead_code, reason = "the matrix plays more of them")]
mod scenarios;
#[path = "../examples/overload_matrix/throttle.rs"]
mod throttle;

use columns::Column::{self, Bare, Deadline, Oracle, Ours, Plain, Shared};
use play::Facts;
use scenarios::Pace;

const SEED: u64 = 1;

/// Plays the scenario with this title.
fn play(title: &str, column: Column) -> Facts {
    let scenarios = scenarios::all(Pace::Brief);
    let scenario = scenarios.iter().find(|scenario| scenario.title() == title).expect("a scenario");
    let facts = play::play(scenario, column, scenario.best_limit, SEED);
    println!(
        "{title}, {}: goodput {:.1} critical {:.1} quiet {:.1} refused {:.2} p99 {:.0} recovery {:.2} dips {:.0} to refuse {:.2} wasted {:.1}",
        column.name(),
        facts.goodput,
        facts.critical,
        facts.quiet,
        facts.refused,
        facts.p99,
        facts.recovery,
        facts.dips,
        facts.time_to_refuse,
        facts.wasted,
    );
    facts
}

#[test]
fn below_capacity_nobody_is_refused() {
    for column in [Ours, Plain] {
        let calm = play("S1 steady 0.5×", column);
        assert!(calm.goodput >= 99.0 && calm.refused == 0.0 && calm.p99 <= 100.0);
    }
}

#[test]
fn at_capacity_as_much_is_answered_as_can_be() {
    for column in [Ours, Plain] {
        assert!(play("S1 steady 1×", column).goodput >= 94.0);
    }
}

#[test]
fn beyond_capacity_the_critical_are_served_and_the_rest_is_refused_at_once() {
    for load in ["S1 steady 2×", "S1 steady 5×"] {
        let busy = play(load, Ours);
        assert!(busy.goodput >= 95.0 && busy.critical >= 99.9, "{load}");
        assert!(busy.p99 <= 200.0 && busy.time_to_refuse <= 2.0 && busy.wasted <= 0.5, "{load}");
    }
}

#[test]
fn whoever_sets_nothing_is_protected_too() {
    let (bare, plain) = (play("S1 steady 2×", Bare), play("S1 steady 2×", Plain));
    assert!(bare.goodput <= 50.0, "the scenario is an overload");
    assert!(plain.goodput >= 95.0 && plain.p99 <= 200.0);
}

#[test]
fn a_cold_start_into_an_overload_costs_little() {
    assert!(play("S1c from cold 5×", Ours).goodput >= 90.0);
}

#[test]
fn after_a_spike_all_is_well_at_once() {
    let oracle = play("S2 spike 0.7× to 5×", Oracle);
    for column in [Ours, Plain] {
        let spike = play("S2 spike 0.7× to 5×", column);
        assert!(spike.recovery <= 0.5 && spike.goodput >= 0.95 * oracle.goodput);
    }
}

#[test]
fn a_stall_leaves_nothing_behind() {
    for column in [Ours, Plain] {
        let stall = play("S3 stall of 1.5 s at 0.8×", column);
        assert!(stall.recovery <= 0.5 && stall.dips == 0.0);
    }
}

#[test]
fn a_fifth_of_the_capacity_is_used_well() {
    let lost = play("S5 capacity ÷5 at 0.7×", Ours);
    assert!(lost.goodput >= 70.0 && lost.critical >= 97.0 && lost.recovery <= 2.0);
}

#[test]
fn a_dependency_that_gets_slower_is_not_taken_for_an_overload() {
    let slow = play("S6 I/O takes 5 times as long at 0.7×", Ours);
    assert!(slow.goodput >= 70.0);
}

#[test]
fn the_peak_of_the_universal_scalability_law_is_found() {
    assert!(play("S7 universal scalability law 2×", Ours).goodput >= 85.0);
}

#[test]
fn a_noisy_tenant_fills_its_own_share_only() {
    let noisy = play("S8 one tenant sends 2.1×, 9 others 0.1×", Ours);
    assert!(noisy.quiet >= 90.0 && noisy.goodput >= 95.0);
}

#[test]
fn four_limiters_share_one_server() {
    for column in [Ours, Shared] {
        assert!(play("S9 four limiters, one server 1.5×", column).goodput >= 88.0);
    }
}

#[test]
fn a_dozen_requests_a_second_are_enough_to_learn_from() {
    assert!(play("S10 300 ms on 4 cores 3×", Ours).goodput >= 75.0);
}

#[test]
fn clients_that_hold_back_spare_the_server_the_refusals() {
    let costly = play("S11 a refusal costs 0.1 ms 5×", Ours);
    let spared = play("S11 a refusal costs 0.1 ms, clients hold back 5×", Ours);
    assert!(costly.goodput <= 90.0, "there is something to spare");
    assert!(spared.goodput >= 94.0 && spared.critical >= 99.9);
}

#[test]
fn a_wave_is_ridden() {
    let wave = play("S12 wave of 8 s, 1× ± 0.8", Ours);
    // No more can be had: the wave is longer than anybody waits.
    let oracle = play("S12 wave of 8 s, 1× ± 0.8", Oracle);
    assert!(wave.critical >= 99.9 && wave.goodput >= 0.95 * oracle.goodput);
}

#[test]
fn streams_do_not_fill_the_limit() {
    let streams = play("N 1 % streams of 10 s 1.5×", Ours);
    assert!(streams.goodput >= 80.0);
}

#[test]
fn who_hangs_up_does_not_mislead_the_limit() {
    for what in ["stops", "goes on"] {
        let title = format!("P hanging up after 0.1 s, the server {what} 2×");
        for column in [Ours, Deadline] {
            assert!(play(&title, column).goodput >= 90.0);
        }
    }
}

#[test]
fn a_server_that_falls_off_a_cliff_is_kept_from_the_edge() {
    let (ours, oracle) = (play("N a cliff at 24 in flight 2×", Ours), play("N a cliff at 24 in flight 2×", Oracle));
    assert!(ours.goodput >= 0.85 * oracle.goodput);
}

#[test]
fn a_mix_that_shifts_is_followed() {
    let title = "N slow requests grow from 2 % to 50 % at 0.8×";
    assert!(play(title, Ours).goodput >= 0.85 * play(title, Oracle).goodput);
}

#[test]
fn a_tenant_of_many_busy_callers_leaves_the_others_theirs() {
    assert!(play("N a tenant with 400 busy callers, nine others 0.05× each", Ours).quiet >= 93.0);
}
