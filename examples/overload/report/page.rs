//! The page: plots, what one sees in each, and the numbers.

use std::fmt::Write;

use super::{
    Report,
    canvas::{self, Done, HALF, WIDE},
    plots, table, who,
};
use crate::support::page;

/// The whole report as one file that needs no other.
pub(super) fn html(report: &Report) -> Result<String, Box<dyn std::error::Error>> {
    let mut page = page::head("plimsoll: overload", STYLE)?;
    writeln!(page, "<h1>One server, more load than it can carry</h1>")?;
    writeln!(page, "<p class=\"lead\">{}</p>", verdict(report))?;
    writeln!(
        page,
        "<p class=\"key\"><b class=\"bare\">bare</b> axum, clients that retry at will \
         <b class=\"protected\">protected</b> the same, within plimsoll stacks</p>"
    )?;
    page::figure(&mut page, "Goodput", &plots::goodput(report, WIDE)?, GOODPUT)?;
    page::figure(&mut page, "The important first", &who::classes(report, WIDE)?, CLASSES)?;
    page::figure(&mut page, "A noisy tenant", &who::tenants(report, WIDE)?, TENANTS)?;
    page::figure(&mut page, "Latency", &plots::p99(report, WIDE)?, LATENCY)?;
    page::figure(&mut page, "Retries", &plots::tries(report, WIDE)?, TRIES)?;
    page::figure(&mut page, "A spike", &plots::spike(report, WIDE)?, SPIKE)?;
    numbers(&mut page, report)?;
    writeln!(page, "{}", page::FOOT)?;
    Ok(page)
}

/// The plots that say the most, in a file of their own.
pub(super) fn picture(report: &Report) -> Done<String> {
    let spike = report.spike(true).map_or(0.0, |run| run.load);
    let noise = report.plans.iter().find_map(|plan| Some(plan.noise? * plan.load)).unwrap_or(0.0);
    Ok(canvas::card(&[
        &[
            ("Offered more than it can do", plots::goodput(report, HALF)?),
            (&format!("A spike to {spike}× its capacity"), plots::spike(report, HALF)?),
        ],
        &[
            ("Who is answered then", who::classes(report, HALF)?),
            (&format!("One tenant of ten sends {noise:.1}× alone"), who::tenants(report, HALF)?),
        ],
    ]))
}

const GOODPUT: &str = "Requests answered while their client still waited, as a share of the most that capacity and \
    offered load allow. A service that queues without end does as much work as before, but for clients that have left. \
    The server's overload control makes the difference: it finds out how many at once are done well, lets in so many, \
    and tells the rest so at once. Nobody told it the capacity.";
const CLASSES: &str = "Requests answered in time, retries included, of those of each class: one in ten is critical, six \
    are normal, three sheddable. What there is capacity for goes to the important first. Bare, it does not matter what \
    a request is: all come too late.";
const TENANTS: &str = "Ten tenants, of whom one sends more than twice what the server can do, and the nine others \
    less than it can do, together; all of it of one class. In the queue they take turns, and whoever has few there \
    may wait for longer: the quiet get what they ask for, and the noisy one what is left.";
const LATENCY: &str = "From the moment a request was due to its answer, retries included; only what was answered in \
    time counts. The scale is logarithmic. Who is let in waits in the server's queue, and that is short; the slow end are \
    those who were refused first and let in at a later try.";
const TRIES: &str = "Attempts over the wire for each request. Retries at will multiply the load when it is least \
    wanted. The retry's budget allows one for ten successes and what was saved up before, so that the server has to \
    refuse hardly more than what the clients want of it.";
const SPIKE: &str = "For a moment, far too many come. What they leave behind, a long queue and clients that try again, \
    is enough to keep a bare service down after they are gone. Overload control and retry budget leave neither.";
const LAYERS: &str = "As the layers announced it, from the start of each run. Limit: how many the server had learned \
    to let in at a time. Shed: by its queue, one attempt each. Retried, and too dear: by \
    the client's retry, and its budget. The timeouts and the circuit breaker are for a server that hangs or is gone. \
    This one is only busy: they should have nothing to do, and refusals must not open the circuit.";

/// The finding in a sentence, from the numbers and nothing else.
fn verdict(report: &Report) -> String {
    let worst = |protected| {
        let above = report.steady(protected).filter(|run| run.load > 1.0);
        above.map(|run| run.goodput).fold(f64::INFINITY, f64::min) * 100.0
    };
    let recovery = |protected| match report.spike(protected).and_then(|run| run.recovery_s) {
        Some(seconds) if seconds < 0.1 => "is back as soon as the spike is over".to_owned(),
        Some(seconds) => format!("is back {seconds:.1} s after the spike"),
        None => "is not back at the end of the run".to_owned(),
    };
    let critical = report.steady(true).filter_map(|run| run.success.critical).fold(1.0, f64::min) * 100.0;
    let quiet = report.noisy(true).and_then(|run| run.success.quiet_tenants).unwrap_or(0.0) * 100.0;
    format!(
        "Offered two to five times its capacity, the bare service falls to {:.0} % of the answers that it could give, \
         and {}. The protected one keeps {:.0} %, and {}; it answers {critical:.1} % of the critical requests at least, and \
         beside a noisy tenant {quiet:.0} % of the quiet ones'.",
        worst(false),
        recovery(false),
        worst(true),
        recovery(true),
    )
}

fn numbers(text: &mut String, report: &Report) -> std::fmt::Result {
    let runs = report.runs.iter();
    page::grid(text, "All runs", 2, table::HEAD, runs.clone().map(|run| (table::side(run), table::row(run))))?;
    writeln!(text, "<p class=\"fine\">{}</p>\n<p class=\"fine\">{WORDS}</p>", report.how())?;
    let success = runs.clone().map(|run| (table::side(run), table::success(run)));
    page::grid(text, "Who was answered", 2, table::SUCCESS, success)?;
    let deeds = runs.filter_map(|run| Some(("did", table::deeds(run)?)));
    page::grid(text, "What the layers did", 1, table::DEEDS, deeds)?;
    writeln!(text, "<p class=\"fine\">{LAYERS}</p>")
}

const WORDS: &str = "Refused and timed out count requests by their last word. Wasted is the share of the finished work \
    whose client had left. Recovery is the time from the end of the spike until as many requests are answered as 0.95 \
    of those that come, for good. Tries are attempts over the wire for each request.";

const STYLE: &str = "
:is(th, td):first-child, .words-2 :is(th, td):nth-child(2) { text-align: left; }
tr.bare td:nth-child(2) { color: var(--bare); } tr.protected td:nth-child(2) { color: var(--protected); }
";
