//! The colours, and what is drawn in which. plotters draws with stand-ins, which become CSS variables in the page (so
//! that it follows the reader's light or dark theme) and real colours in a file that stands alone.

use plotters::style::RGBColor;

pub(super) const INK: RGBColor = RGBColor(1, 1, 1);
pub(super) const SOFT: RGBColor = RGBColor(2, 2, 2);
pub(super) const GRID: RGBColor = RGBColor(3, 3, 3);
const BARE: RGBColor = RGBColor(4, 4, 4);
const PROTECTED: RGBColor = RGBColor(5, 5, 5);
const CRITICAL: RGBColor = RGBColor(6, 6, 6);
const SHEDDABLE: RGBColor = RGBColor(7, 7, 7);

/// A colour by its name in CSS, its stand-in, and what it is on a light and on a dark page.
pub(super) struct Colour {
    pub(super) name: &'static str,
    stand_in: RGBColor,
    pub(super) light: &'static str,
    pub(super) dark: &'static str,
}

#[rustfmt::skip]
pub(super) const COLOURS: [Colour; 7] = [
    Colour { name: "ink", stand_in: INK, light: "#1b2a33", dark: "#e6edf0" },
    Colour { name: "soft", stand_in: SOFT, light: "#64757f", dark: "#93a4ad" },
    Colour { name: "grid", stand_in: GRID, light: "#e2e8ea", dark: "#2a363d" },
    Colour { name: "bare", stand_in: BARE, light: "#c8553d", dark: "#f08a72" },
    Colour { name: "protected", stand_in: PROTECTED, light: "#1d7a8c", dark: "#5cc3d4" },
    Colour { name: "critical", stand_in: CRITICAL, light: "#5b3f8f", dark: "#b9a2f2" },
    Colour { name: "sheddable", stand_in: SHEDDABLE, light: "#a97c17", dark: "#dcb75a" },
];

/// Whose line it is: what it is called, and its colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose {
    pub(super) name: &'static str,
    pub(super) colour: RGBColor,
}

/// A side.
pub(super) const fn side(protected: bool) -> Whose {
    match protected {
        true => Whose { name: "protected", colour: PROTECTED },
        false => Whose { name: "bare", colour: BARE },
    }
}

/// The classes, the most important first.
pub(super) const CLASSES: [Whose; 3] = [
    Whose { name: "critical", colour: CRITICAL },
    Whose { name: "normal", colour: PROTECTED },
    Whose { name: "sheddable", colour: SHEDDABLE },
];

/// A drawing with each stand-in replaced by what `paint` says.
pub(super) fn coloured(svg: &str, paint: impl Fn(&Colour) -> String) -> String {
    COLOURS.iter().fold(svg.to_owned(), |svg, colour| svg.replace(&hex(colour.stand_in), &paint(colour)))
}

/// A stand-in as it is written in a drawing.
pub(super) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}
