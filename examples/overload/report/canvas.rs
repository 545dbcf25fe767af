//! What the plots of this report have in common, beside the look that all reports share.

use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

pub(super) use crate::support::canvas::{
    BARE, Chart, Done, FONT, GRID, HALF, INK, PROTECTED, Plot, SOFT, Size, WIDE, coloured, hex, label, margins, mesh,
};

const TITLE_HEIGHT: u32 = 36;
const READERS_FONT: &str = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif";

/// Plots beside one another, with their titles, as a file of its own: a white card, readable on any page.
pub(super) fn card(panels: &[(&str, Plot)]) -> String {
    let width: u32 = panels.iter().map(|(_, plot)| plot.size.0).sum();
    let height = panels.iter().map(|(_, plot)| plot.size.1).max().unwrap_or_default() + TITLE_HEIGHT;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#fff\"/>\n"
    );
    let mut left = 0;
    for (title, plot) in panels {
        let (width, height) = plot.size;
        let (x, y) = (left + 24, TITLE_HEIGHT - 8);
        svg += &format!("<text x=\"{x}\" y=\"{y}\" font-family=\"{FONT}\" font-size=\"17\" font-weight=\"600\" ");
        svg += &format!("fill=\"{}\">{title}</text>\n", hex(INK));
        let place = format!("<svg x=\"{left}\" y=\"{TITLE_HEIGHT}\" width=\"{width}\" height=\"{height}\" viewBox");
        svg += &plot.svg.replacen("<svg viewBox", &place, 1);
        left += width;
    }
    svg += "</svg>\n";
    let svg = svg.replace(&format!("font-family=\"{FONT}\""), &format!("font-family=\"{READERS_FONT}\""));
    coloured(&svg, |colour| colour.light.to_owned())
}

/// Where a name goes: above and to the right of the end of its line, or below.
pub(super) const ABOVE: (i32, i32) = (8, -12);
pub(super) const BELOW: (i32, i32) = (8, 14);

/// Draws the line of a side, with its name beside the end.
pub(super) fn line<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    points: &[(f64, f64)],
    protected: bool,
    beside: (i32, i32),
) -> Done
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let colour = side(protected);
    let style = colour.stroke_width(2);
    chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
    if let Some(&last) = points.last() {
        let name = if protected { "protected" } else { "bare" };
        label(chart, last, beside, name, &colour, HPos::Left)?;
    }
    Ok(())
}

/// Draws a dot for each measurement.
pub(super) fn dots<X, Y>(chart: &mut Chart<'_, '_, X, Y>, points: &[(f64, f64)], protected: bool) -> Done
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let style = side(protected).filled();
    chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, style)))?;
    Ok(())
}

/// The colour of a side.
pub(super) fn side(protected: bool) -> RGBColor {
    if protected { PROTECTED } else { BARE }
}
