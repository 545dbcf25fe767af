//! What we ask of a request, and what it carries from layer to layer.

mod carried;
mod priority;
mod questions;
mod scope;
mod tried;

pub(crate) use self::scope::{Attempting, Within, is_retrying, note_tried, tried};
pub use self::{
    carried::{Carried, Carry, Scoped},
    priority::Priority,
    questions::{CostOf, DeadlineOf, ExemptOf, KeyOf, PriorityOf, TenantOf, TimeoutOf, Unasked},
    scope::current,
    tried::Tried,
};
