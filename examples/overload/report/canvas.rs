//! The look that the plots share. plotters draws with stand-in colours, which become CSS variables in the page
//! (so that it follows the reader's light or dark theme) and real colours in a file that stands alone.

use std::error::Error;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;
pub(super) type Done<T = ()> = Result<T, Box<dyn Error>>;

pub(super) const INK: RGBColor = RGBColor(1, 1, 1);
pub(super) const SOFT: RGBColor = RGBColor(2, 2, 2);
pub(super) const GRID: RGBColor = RGBColor(3, 3, 3);
const BARE: RGBColor = RGBColor(4, 4, 4);
const PROTECTED: RGBColor = RGBColor(5, 5, 5);

/// A colour by its name in CSS, its stand-in, and what it is on a light and on a dark page.
pub(super) struct Colour {
    pub(super) name: &'static str,
    stand_in: RGBColor,
    pub(super) light: &'static str,
    pub(super) dark: &'static str,
}

#[rustfmt::skip]
pub(super) const COLOURS: [Colour; 5] = [
    Colour { name: "ink", stand_in: INK, light: "#1b2a33", dark: "#e6edf0" },
    Colour { name: "soft", stand_in: SOFT, light: "#64757f", dark: "#93a4ad" },
    Colour { name: "grid", stand_in: GRID, light: "#e2e8ea", dark: "#2a363d" },
    Colour { name: "bare", stand_in: BARE, light: "#c8553d", dark: "#f08a72" },
    Colour { name: "protected", stand_in: PROTECTED, light: "#1d7a8c", dark: "#5cc3d4" },
];

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

fn coloured(svg: &str, paint: impl Fn(&Colour) -> String) -> String {
    COLOURS.iter().fold(svg.to_owned(), |svg, colour| svg.replace(&hex(colour.stand_in), &paint(colour)))
}

fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// Leaves room for the axes.
pub(super) fn margins<'a, 'b, 'c>(
    chart: &'c mut ChartBuilder<'a, 'b, SVGBackend<'b>>,
    size: Size,
) -> &'c mut ChartBuilder<'a, 'b, SVGBackend<'b>> {
    chart.margin(12).x_label_area_size(52).y_label_area_size(if size == WIDE { 76 } else { 70 })
}

/// Draws axes with their names, and a quiet grid.
pub(super) fn mesh<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    (x_name, y_name): (&str, &str),
    (x_labels, y_labels): (usize, usize),
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
        .x_label_formatter(&|x| format!("{}", (x * 10.0).round() / 10.0))
        .y_label_formatter(&y_text)
        .label_style((FONT, 16).into_font().color(&SOFT))
        .axis_desc_style((FONT, 16).into_font().color(&INK))
        .draw()?;
    Ok(())
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

/// The colour of a side.
pub(super) fn side(protected: bool) -> RGBColor {
    if protected { PROTECTED } else { BARE }
}
