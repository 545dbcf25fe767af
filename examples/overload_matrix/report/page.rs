//! The page: the matrix as a map of heat, plots, and every mark.

use std::{error::Error, fmt::Write};

use super::{plots, words};
use crate::{
    columns::Column,
    marks::Measure,
    run::{Cell, Row},
    support::{
        canvas::{coloured, hex},
        page,
    },
};

/// The whole report as one file that needs no other.
pub(super) fn html(rows: &[Row], columns: &[Column]) -> Result<String, Box<dyn Error>> {
    let mut page = page::head("plimsoll: overload of every kind", STYLE)?;
    writeln!(page, "<h1>Overload of every kind</h1>\n<p class=\"lead\">{}</p>", verdict(rows))?;
    writeln!(page, "{}", key(columns))?;
    if let Some(plot) = plots::goodput(rows, columns)? {
        page::figure(&mut page, "Goodput by load", &plot, GOODPUT)?;
    }
    for (family, title, caption) in [("S2", "A spike", SPIKE), ("S3", "A stall", STALL)] {
        let row = rows.iter().find(|row| row.scenario.family == family);
        if let Some(plot) = row.map(plots::over_time).transpose()?.flatten() {
            page::figure(&mut page, title, &plot, caption)?;
        }
    }
    map(&mut page, rows, columns)?;
    marks(&mut page, rows)?;
    writeln!(page, "{}", page::FOOT)?;
    Ok(page)
}

const GOODPUT: &str = "Requests answered while their callers still waited, as a share of what a perfect server of the \
    same capacity could have answered. Callers that get no answer try again up to three times; whoever lets them all in \
    has the server work for callers that have left.";
const SPIKE: &str = "Answers in time before, in and after the spike, of the first seed. Bare, and behind a limit with a \
    queue without end, the service does not come back: retries keep it down.";
const STALL: &str = "Nothing is answered while the server stands still. What has piled up meanwhile must not keep it \
    down.";
const MAP: &str = "Goodput in percent, the mean of the seeds. The best of 100 is a fluid optimum in which work may wait as \
    long as its caller does: where load or capacity change, nobody who keeps latencies short comes near, and what can be \
    done is what the oracle does. Hover for the other numbers.";

/// The finding in a sentence, from the numbers and nothing else.
fn verdict(rows: &[Row]) -> String {
    let marks: Vec<_> = rows.iter().flat_map(Row::marks).collect();
    let met = marks.iter().filter(|(mark, value)| mark.is_met_by(*value)).count();
    let marked = format!("{met} of {} marks are met.", marks.len());
    match (beside_the_oracle(rows, Column::Ours), beside_the_oracle(rows, Column::Bare)) {
        (Some(ours), Some(bare)) => format!(
            "{} scenarios. Of what the oracle gets, a surge queue in front of a load shedder gets {:.0} % on average and \
             {:.0} % at worst; no protection {:.0} % and {:.0} %. {marked}",
            rows.len(),
            ours.0,
            ours.1,
            bare.0,
            bare.1,
        ),
        _ => marked,
    }
}

/// How much a column gets of the oracle's goodput, on average over the scenarios and at worst.
fn beside_the_oracle(rows: &[Row], column: Column) -> Option<(f64, f64)> {
    let share = |row: &Row| {
        let mean = |column| Some(row.cell(column)?.mean(Measure::Goodput));
        Some((mean(column)? / mean(Column::Oracle)?.max(1e-9) * 100.0).min(100.0))
    };
    let shares: Vec<f64> = rows.iter().filter_map(share).collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    (!shares.is_empty()).then(|| (mean, shares.into_iter().fold(100.0, f64::min)))
}

/// What the colours mean.
fn key(columns: &[Column]) -> String {
    let names = columns.iter().filter(|column| !column.is_special()).map(|column| {
        let (colour, width) = plots::pen(*column);
        let weight = if width > 2 { 700 } else { 400 };
        let colour = coloured(&hex(colour), |colour| format!("var(--{})", colour.name));
        format!("<b style=\"color:{colour};font-weight:{weight}\">{}</b>", column.name())
    });
    format!("<p class=\"key\">{}</p>", names.collect::<String>())
}

/// The matrix, the better the bluer.
fn map(page: &mut String, rows: &[Row], columns: &[Column]) -> std::fmt::Result {
    writeln!(page, "<h2>The matrix</h2>\n<div class=\"wide\"><table class=\"map\">\n<tr><th></th>")?;
    for column in columns {
        write!(page, "<th title=\"{}\">{}</th>", column.about(), column.name())?;
    }
    writeln!(page, "<th>marks</th></tr>")?;
    for row in rows {
        write!(page, "<tr><td>{}</td>", row.scenario.title())?;
        for column in columns {
            match row.cell(*column) {
                Some(cell) => heat(page, cell)?,
                None => write!(page, "<td></td>")?,
            }
        }
        let missed = words::missed(row).count();
        let class = if missed > 0 { "missed" } else { "" };
        writeln!(page, "<td class=\"{class}\">{}</td></tr>", super::table::marks(row))?;
    }
    writeln!(page, "</table></div>\n<p class=\"fine\">{MAP}</p>")?;
    let about = columns.iter().map(|column| format!("<dt>{}</dt><dd>{}</dd>", column.name(), column.about()));
    writeln!(page, "<dl class=\"fine\">{}</dl>", about.collect::<String>())
}

fn heat(page: &mut String, cell: &Cell) -> std::fmt::Result {
    let goodput = cell.mean(Measure::Goodput);
    let more = [Measure::Critical, Measure::Quiet, Measure::Refused, Measure::P99];
    let more = more.map(|measure| format!("{} {}", measure.name(), measure.say(cell.mean(measure))));
    write!(
        page,
        "<td style=\"--heat:{:.0}%\" title=\"worst seed {:.1} %, {}, limit {}\">{goodput:.0}</td>",
        // Below a half all are lost alike.
        (goodput * 2.0 - 100.0).clamp(0.0, 100.0),
        cell.worst(Measure::Goodput),
        more.join(", "),
        cell.limit,
    )
}

fn marks(page: &mut String, rows: &[Row]) -> std::fmt::Result {
    writeln!(page, "<h2>Every mark</h2>\n<div class=\"wide\"><table>")?;
    for row in rows {
        for (mark, value) in row.marks() {
            let class = if mark.is_met_by(value) { "" } else { "missed" };
            let verdict = words::verdict(row, mark, value);
            writeln!(page, "<tr><td>{}</td><td class=\"{class}\">{verdict}</td></tr>", row.scenario.title())?;
        }
    }
    writeln!(page, "</table></div>")
}

const STYLE: &str = "
body { max-width: 72rem; } figure { max-width: 47.5rem; }
table { width: auto; } td:first-child, td:nth-child(2):last-child { text-align: left; }
.map td[style] { background: color-mix(in oklab, color-mix(in oklab, var(--protected) var(--heat), var(--bare)) 45%, var(--page)); }
.missed { color: var(--bare); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; } dd { margin: 0; }
.key b { margin-right: .9rem; }
";
