//! The look that the plots share. plotters draws with stand-in colours, which become CSS variables in the page
//! (so that it follows the reader's light or dark theme) and real colours in a file that stands alone.

use std::error::Error;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;
pub(crate) type Done<T = ()> = Result<T, Box<dyn Error>>;

pub(crate) const INK: RGBColor = RGBColor(1, 1, 1);
pub(crate) const SOFT: RGBColor = RGBColor(2, 2, 2);
pub(crate) const GRID: RGBColor = RGBColor(3, 3, 3);
pub(crate) const BARE: RGBColor = RGBColor(4, 4, 4);
pub(crate) const PROTECTED: RGBColor = RGBColor(5, 5, 5);
/// For what is neither.
pub(crate) const OTHERS: [RGBColor; 5] =
    [RGBColor(6, 6, 6), RGBColor(7, 7, 7), RGBColor(8, 8, 8), RGBColor(9, 9, 9), RGBColor(10, 10, 10)];

/// A colour by its name in CSS, its stand-in, and what it is on a light and on a dark page.
pub(crate) struct Colour {
    pub(crate) name: &'static str,
    stand_in: RGBColor,
    pub(crate) light: &'static str,
    pub(crate) dark: &'static str,
}

#[rustfmt::skip]
pub(crate) const COLOURS: [Colour; 10] = [
    Colour { name: "ink", stand_in: INK, light: "#1b2a33", dark: "#e6edf0" },
    Colour { name: "soft", stand_in: SOFT, light: "#64757f", dark: "#93a4ad" },
    Colour { name: "grid", stand_in: GRID, light: "#e2e8ea", dark: "#2a363d" },
    Colour { name: "bare", stand_in: BARE, light: "#c8553d", dark: "#f08a72" },
    Colour { name: "protected", stand_in: PROTECTED, light: "#1d7a8c", dark: "#5cc3d4" },
    Colour { name: "ochre", stand_in: OTHERS[0], light: "#b7862c", dark: "#e0b75f" },
    Colour { name: "plum", stand_in: OTHERS[1], light: "#8a5a9e", dark: "#c39ad4" },
    Colour { name: "moss", stand_in: OTHERS[2], light: "#5f8a3a", dark: "#9cc574" },
    Colour { name: "navy", stand_in: OTHERS[3], light: "#3c5aa8", dark: "#8aa5ea" },
    Colour { name: "rose", stand_in: OTHERS[4], light: "#b8457a", dark: "#e88fb6" },
];

pub(crate) const FONT: &str = "sans-serif";

/// How large a plot is drawn; whoever shows it decides how large it is seen.
pub(crate) type Size = (u32, u32);
/// For a page of its own width.
pub(crate) const WIDE: Size = (760, 340);
/// For two beside one another.
pub(crate) const HALF: Size = (500, 340);

/// A finished drawing with stand-in colours.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) svg: String,
    pub(crate) size: Size,
}

impl Plot {
    pub(crate) fn draw(size: Size, paint: impl FnOnce(&Area<'_>) -> Done) -> Done<Self> {
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
    pub(crate) fn themed(&self) -> String {
        coloured(&self.svg, |colour| format!("var(--{})", colour.name))
    }
}

/// A drawing with its stand-in colours replaced.
pub(crate) fn coloured(svg: &str, paint: impl Fn(&Colour) -> String) -> String {
    COLOURS.iter().fold(svg.to_owned(), |svg, colour| svg.replace(&hex(colour.stand_in), &paint(colour)))
}

/// As a drawing has it.
pub(crate) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// Leaves room for the axes.
pub(crate) fn margins<'a, 'b, 'c>(
    chart: &'c mut ChartBuilder<'a, 'b, SVGBackend<'b>>,
    size: Size,
) -> &'c mut ChartBuilder<'a, 'b, SVGBackend<'b>> {
    chart.margin(12).x_label_area_size(52).y_label_area_size(if size == WIDE { 76 } else { 70 })
}

/// Draws axes with their names, and a quiet grid.
pub(crate) fn mesh<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    (x_name, y_name): (&str, &str),
    (x_labels, y_labels): (usize, usize),
    y_text: impl Fn(&f64) -> String,
) -> Done
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    mesh_by(chart, (x_name, y_name), (x_labels, y_labels), |x| format!("{}", (x * 10.0).round() / 10.0), y_text)
}

/// The same, with a say in how both axes are labelled.
pub(crate) fn mesh_by<X, Y>(
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

/// Writes a few words beside a point, so many pixels to the right and below.
pub(crate) fn label<X, Y>(
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
