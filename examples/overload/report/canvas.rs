//! What the plots of this report have in common, beside the look that all reports share.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::colours::Whose;
pub(super) use crate::support::canvas::{
    Chart, Done, FONT, GRID, HALF, INK, Plot, SOFT, Size, WIDE, coloured, hex, label, margins, mesh_by as mesh,
};

const TITLE_HEIGHT: u32 = 36;
const READERS_FONT: &str = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif";

/// Plots with their titles, in rows, as a file of its own: a white card, readable on any page.
pub(super) fn card(rows: &[&[(&str, Plot)]]) -> String {
    let width = rows.iter().map(|row| row.iter().map(|(_, plot)| plot.size.0).sum()).max().unwrap_or(0);
    let height: u32 = rows.iter().map(|row| tall(row)).sum();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#fff\"/>\n"
    );
    let mut top = 0;
    for row in rows {
        let mut left = 0;
        for (title, plot) in *row {
            let (width, height) = plot.size;
            let (x, y) = (left + 24, top + TITLE_HEIGHT - 8);
            svg += &format!("<text x=\"{x}\" y=\"{y}\" font-family=\"{FONT}\" font-size=\"17\" font-weight=\"600\" ");
            svg += &format!("fill=\"{}\">{title}</text>\n", hex(INK));
            let y = top + TITLE_HEIGHT;
            let place = format!("<svg x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" viewBox");
            svg += &plot.svg.replacen("<svg viewBox", &place, 1);
            left += width;
        }
        top += tall(row);
    }
    svg += "</svg>\n";
    let svg = svg.replace(&format!("font-family=\"{FONT}\""), &format!("font-family=\"{READERS_FONT}\""));
    coloured(&svg, |colour| colour.light.to_owned())
}

fn tall(row: &[(&str, Plot)]) -> u32 {
    TITLE_HEIGHT + row.iter().map(|(_, plot)| plot.size.1).max().unwrap_or(0)
}

/// A number on an axis, without digits that nobody needs.
pub(super) fn number(x: &f64) -> String {
    format!("{}", (x * 10.0).round() / 10.0)
}

/// A share on an axis.
pub(super) fn percent(x: &f64) -> String {
    format!("{:.0} %", x * 100.0)
}

/// Where a name goes: above and to the right of the end of its line, or below.
pub(super) const ABOVE: (i32, i32) = (8, -12);
pub(super) const BELOW: (i32, i32) = (8, 14);

/// Draws a line, with the name of whose it is beside the end.
pub(super) fn line<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    points: &[(f64, f64)],
    whose: Whose,
    beside: (i32, i32),
) -> Done
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let Whose { name, colour } = whose;
    let style = colour.stroke_width(2);
    chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
    if let Some(&last) = points.last() {
        label(chart, last, beside, name, &colour, HPos::Left)?;
    }
    Ok(())
}

/// Draws a dot for each measurement.
pub(super) fn dots<X, Y>(chart: &mut Chart<'_, '_, X, Y>, points: &[(f64, f64)], whose: Whose) -> Done
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let style = whose.colour.filled();
    chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, style)))?;
    Ok(())
}
