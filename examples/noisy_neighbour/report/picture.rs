//! The picture of the hands: a row for each tenant, a column for each server, and how the tenant fared.

use std::fmt::Write;

use crate::measure::{Fate, Run};
use crate::run::SERVERS;

const CELL: usize = 11;
const ROW: usize = 7;
/// Where the bars begin, and how long the longest is.
const BARS: usize = SERVERS * CELL + 8;
const BAR: usize = 60;
const HEAD: usize = 14;

/// One run, as a drawing in the page's colours. Tenants with the same servers stand together, and the poisonous one on top
/// of those who share its own.
pub(super) fn svg(run: &Run) -> Result<String, std::fmt::Error> {
    let poisoned =
        run.each.iter().find(|fate| fate.is_poisonous()).map(|fate| fate.hand.as_slice()).unwrap_or_default();
    let shares = |fate: &Fate| fate.hand.iter().filter(|server| poisoned.contains(server)).count();
    let mut rows: Vec<_> = run.each.iter().collect();
    rows.sort_by_key(|fate| (!fate.is_poisonous(), std::cmp::Reverse(shares(fate)), fate.hand.clone(), fate.tenant));

    let (width, height) = (BARS + BAR, HEAD + rows.len() * ROW);
    let mut svg =
        format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}: the hands\">\n", run.name);
    for server in 0..SERVERS {
        let (x, colour) = (server * CELL + CELL / 2 - 1, if run.dead.contains(&server) { "bare" } else { "soft" });
        writeln!(svg, "<text x=\"{x}\" y=\"9\" class=\"server\" fill=\"var(--{colour})\">{server}</text>")?;
    }
    for (row, fate) in rows.iter().enumerate() {
        tenant(&mut svg, HEAD + row * ROW, fate, run)?;
    }
    svg.push_str("</svg>");
    Ok(svg)
}

fn tenant(svg: &mut String, y: usize, fate: &Fate, run: &Run) -> std::fmt::Result {
    let percent = fate.answered * 100.0;
    let title = match fate.is_poisonous() {
        true => "the poisonous tenant".to_owned(),
        false => format!("tenant {}: {percent:.1} % answered", fate.tenant),
    };
    write!(svg, "<g><title>{title}, servers {:?}</title>", fate.hand)?;
    for server in 0..SERVERS {
        let colour = match (fate.hand.contains(&server), run.dead.contains(&server)) {
            (false, _) => "grid",
            (true, true) => "bare",
            (true, false) => "protected",
        };
        let x = server * CELL;
        let (width, height) = (CELL - 2, ROW - 2);
        write!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"1\" fill=\"var(--{colour})\"/>"
        )?;
    }
    let (length, colour) = match (fate.is_poisonous(), fate.is_hurt()) {
        (true, _) => (BAR as f64, "ink"),
        (false, true) => (fate.answered * BAR as f64, "bare"),
        (false, false) => (fate.answered * BAR as f64, "protected"),
    };
    let (y, height) = (y + 1, ROW - 4);
    writeln!(
        svg,
        "<rect x=\"{BARS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{height}\" fill=\"var(--{colour})\"/></g>"
    )
}
