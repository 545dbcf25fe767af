//! What is drawn in which colour.

use plotters::style::RGBColor;

use crate::support::canvas::{BARE, OTHERS, PROTECTED};

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
    Whose { name: "critical", colour: OTHERS[1] },
    Whose { name: "normal", colour: PROTECTED },
    Whose { name: "sheddable", colour: OTHERS[0] },
];
