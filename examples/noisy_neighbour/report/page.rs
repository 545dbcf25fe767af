//! The page: the hands of each run beside one another, what one sees in them, and the numbers.

use std::fmt::Write;

use super::{Report, picture, table};
use crate::support::page;

/// The whole report as one file that needs no other.
pub(super) fn html(report: &Report) -> Result<String, std::fmt::Error> {
    let mut page = page::head("plimsoll: a noisy neighbour", STYLE)?;
    writeln!(page, "<h1>One tenant, and who else pays for it</h1>\n<ul class=\"lead\">")?;
    for verdict in report.verdicts() {
        writeln!(page, "<li>{verdict}.</li>")?;
    }
    writeln!(page, "</ul>\n<p class=\"key\">{KEY}</p>\n<div class=\"hands\">")?;
    for run in &report.runs {
        writeln!(page, "<figure>\n<h2>{}</h2>\n{}\n</figure>", run.name, picture::svg(run)?)?;
    }
    writeln!(page, "</div>\n<p class=\"fine\">{CAPTION}</p>")?;
    page::grid(&mut page, "All runs", 1, table::HEAD, report.runs.iter().map(|run| ("run", table::row(run))))?;
    writeln!(page, "<p class=\"fine\">{WORDS}</p>\n{}", page::FOOT)?;
    Ok(page)
}

const KEY: &str = "<b class=\"protected\">■</b> a server that the tenant may use <b class=\"bare\">■</b> one of those that \
    was killed; the bar is the share of the tenant's requests that were answered";

const CAPTION: &str = "A row is a tenant, a column a server. The poisonous tenant is the first row, with a dark bar; those who \
    share all its servers come next, then those who share some. Each of its requests kills the server that it reaches. \
    Where all may use all, it reaches all. A hand of two of eight is one of 28, so that few share both of its servers; who \
    shares one is served by the other. In the last run it is stopped where it begins: what a request may cost is \
    bounded, and how many a tenant may send.";

const WORDS: &str = "Hurt is who gets less than 95 % of its answers, retries included, while the attack lasts. Same servers: \
    the tenants that were dealt the very servers of the poisonous one. Others hurt: tenants that had another server, and \
    were hurt all the same. A server that was killed is back after 0.4 s, and is killed again.";

const STYLE: &str = "
.hands { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1.25rem; }
.hands figure { margin: 0; } .hands h2 { margin: 0 0 .5rem; font-size: .9rem; }
.hands .server { font-size: 8px; text-anchor: middle; }
ul.lead { padding-left: 1.2rem; }
:is(th, td):first-child { text-align: left; }
";
