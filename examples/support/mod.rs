//! What the examples that write a report share: the look of plots and pages, and where they go.

pub(crate) mod canvas;
pub(crate) mod cli;
pub(crate) mod files;
pub(crate) mod page;
pub(crate) mod progress;
pub(crate) mod table;
