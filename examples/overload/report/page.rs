//! The page: three plots, what one sees in each, and the numbers.

use std::fmt::Write;

use super::canvas::{COLOURS, Colour};
use super::{Report, plots, table};

/// The whole report as one file that needs no other.
pub(super) fn html(report: &Report) -> Result<String, Box<dyn std::error::Error>> {
    let mut page = String::new();
    let style = STYLE
        .replace("/*light*/", &variables(|colour| colour.light))
        .replace("/*dark*/", &variables(|colour| colour.dark));
    write!(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
    writeln!(page, "<meta name=\"viewport\" content=\"width=device-width\">")?;
    writeln!(page, "<title>plimsoll: overload</title>\n<style>{style}</style>\n</head>\n<body>")?;
    writeln!(page, "<h1>One server, more load than it can carry</h1>")?;
    writeln!(page, "<p class=\"lead\">{}</p>", verdict(report))?;
    writeln!(
        page,
        "<p class=\"key\"><b class=\"bare\">bare</b> axum, clients that retry at will \
         <b class=\"protected\">protected</b> the same, within plimsoll stacks</p>"
    )?;
    figure(&mut page, "Goodput", &plots::goodput(report)?.themed(), GOODPUT)?;
    figure(&mut page, "Latency", &plots::p99(report)?.themed(), LATENCY)?;
    figure(&mut page, "A spike", &plots::spike(report)?.themed(), SPIKE)?;
    numbers(&mut page, report)?;
    writeln!(page, "</body>\n</html>")?;
    Ok(page)
}

const GOODPUT: &str = "Requests answered while their client still waited, as a share of the most that capacity and \
    offered load allow. A service that queues without end does as much work as before, but for clients that have left.";
const LATENCY: &str = "From the moment a request was due to its answer, retries included; only what was answered in \
    time counts. The scale is logarithmic.";
const SPIKE: &str = "For a moment, far too many come. What they leave behind, a long queue and clients that try again, \
    is enough to keep a bare service down after they are gone.";

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
    format!(
        "Offered two to five times its capacity, the bare service falls to {:.0} % of the answers that it could give, \
         and {}. The protected one keeps {:.0} %, and {}.",
        worst(false),
        recovery(false),
        worst(true),
        recovery(true),
    )
}

fn figure(page: &mut String, title: &str, svg: &str, caption: &str) -> std::fmt::Result {
    writeln!(page, "<figure>\n<h2>{title}</h2>\n{svg}\n<figcaption>{caption}</figcaption>\n</figure>")
}

fn numbers(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(page, "<h2>All runs</h2>\n<div class=\"wide\"><table>\n<tr>")?;
    for head in table::HEAD {
        write!(page, "<th>{head}</th>")?;
    }
    writeln!(page, "</tr>")?;
    for run in &report.runs {
        let side = if run.protected { "protected" } else { "bare" };
        write!(page, "<tr class=\"{side}\">")?;
        for cell in table::row(run) {
            write!(page, "<td>{cell}</td>")?;
        }
        writeln!(page, "</tr>")?;
    }
    writeln!(page, "</table></div>\n<p class=\"fine\">{}</p>", report.how())?;
    writeln!(page, "<p class=\"fine\">{WORDS}</p>")
}

const WORDS: &str = "Refused and timed out count requests by their last word. Wasted is the share of the finished work \
    whose client had left. Recovery is the time from the end of the spike until as many requests are answered as 0.95 \
    of those that come, for good. Tries are attempts over the wire for each request.";

fn variables(on: impl Fn(&Colour) -> &str) -> String {
    let each = COLOURS.iter();
    each.map(|colour| format!("--{}:{};", colour.name, on(colour))).collect()
}

const STYLE: &str = "
:root { color-scheme: light dark; --page: #fff; /*light*/ }
@media (prefers-color-scheme: dark) { :root { --page: #12191d; /*dark*/ } }
body { margin: 3rem auto 4rem; padding: 0 1.25rem; max-width: 47.5rem; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Inter, Helvetica, Arial, sans-serif; }
h1 { margin: 0 0 .75rem; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; }
h2 { margin: 0 0 .5rem; font-size: 1.1rem; }
.lead { margin: 0 0 1rem; font-size: 1.1rem; }
.key { margin: 0 0 2.5rem; color: var(--soft); font-size: .9rem; }
.key b { margin-right: .2rem; } .key b + b { margin-left: 1.2rem; }
.key .bare { color: var(--bare); } .key .protected { color: var(--protected); }
figure { margin: 0 0 3rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit; }
figcaption, .fine { color: var(--soft); font-size: .9rem; max-width: 42rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th, td { padding: .35rem .5rem; text-align: right; border-bottom: 1px solid var(--grid); }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
tr.bare td:nth-child(2) { color: var(--bare); } tr.protected td:nth-child(2) { color: var(--protected); }
";
