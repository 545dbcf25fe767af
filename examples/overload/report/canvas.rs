//! The look that the plots share: sizes, margins, axes, lines, dots and words.

use std::error::Error;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::colours::{GRID, INK, SOFT, Whose, coloured, hex};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;
pub(super) type Done<T = ()> = Result<T, Box<dyn Error>>;

const FONT: &str = "sans-serif";
const READERS_FONT: &str = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif";

/// How large a plot is drawn; whoever shows it decides how large it is seen.
pub(super) type Size = (u32, u32);
/// For a page of its own width.
pub(super) const WIDE: Size = (760, 340);
/// For two beside one another.
pub(super) const HALF: Size = (500, 340);
const TITLE_HEIGHT: u32 = 36;

/// A finished drawing with stand-in colours.
#[derive(Debug)]
pub(super) struct Plot {
    svg: String,
    size: Size,
}

impl Plot {
    pub(super) fn draw(size: Size, paint: impl FnOnce(&Area<'_>) -> Done) -> Done<Self> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area)?;
        area.present()?;
        drop(area);
        let (width, height) = size;
        let fixed = format!("width=\"{width}\" height=\"{height}\" viewBox");
        Ok(Self { svg: svg.replacen(&fixed, "viewBox", 1), size })
    }

    /// The drawing for a page that defines the colours as CSS variables.
    pub(super) fn themed(&self) -> String {
        coloured(&self.svg, |colour| format!("var(--{})", colour.name))
    }
}

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

/// Leaves room for the axes.
pub(super) fn margins<'a, 'b, 'c>(
    chart: &'c mut ChartBuilder<'a, 'b, SVGBackend<'b>>,
    size: Size,
) -> &'c mut ChartBuilder<'a, 'b, SVGBackend<'b>> {
    chart.margin(12).x_label_area_size(52).y_label_area_size(if size == WIDE { 76 } else { 70 })
}

/// A number on an axis, without digits that nobody needs.
pub(super) fn number(x: &f64) -> String {
    format!("{}", (x * 10.0).round() / 10.0)
}

/// A share on an axis.
pub(super) fn percent(x: &f64) -> String {
    format!("{:.0} %", x * 100.0)
}

/// Draws axes with their names, and a quiet grid.
pub(super) fn mesh<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    (x_name, y_name): (&str, &str),
    (x_labels, y_labels): (usize, usize),
    x_text: impl Fn(&f64) -> String,
    y_text: impl Fn(&f64) -> String,
) -> Done
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(1))
        .axis_style(SOFT.stroke_width(1))
        .x_desc(x_name)
        .y_desc(y_name)
        .x_labels(x_labels)
        .y_labels(y_labels)
        .x_label_formatter(&x_text)
        .y_label_formatter(&y_text)
        .label_style((FONT, 16).into_font().color(&SOFT))
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .draw()?;
    Ok(())
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

/// Writes a few words beside a point, so many pixels to the right and below.
pub(super) fn label<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    at: (f64, f64),
    beside: (i32, i32),
    words: &str,
    colour: &RGBColor,
    align: HPos,
) -> Done
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let pos = Pos::new(align, VPos::Center);
    let style = (FONT, 16).into_font().color(colour).pos(pos);
    let words = Text::new(words.to_owned(), beside, style);
    chart.draw_series([EmptyElement::at(at) + words])?;
    Ok(())
}
