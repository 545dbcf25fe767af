//! What we ask of a request, and what it carries from layer to layer.

mod carried;
mod priority;
mod questions;
mod replay;
mod scope;
mod tried;

pub(crate) use self::scope::{Attempting, Within, attempt, is_retrying, note_tried, tried};
pub use self::{
    carried::{Carried, Carry, Scoped},
    priority::Priority,
    questions::{CostOf, DeadlineOf, ExemptOf, KeyOf, PriorityOf, TenantOf, TimeoutOf, Unasked},
    replay::{CloneRequest, Replay, SentOnce},
    scope::current,
    tried::Tried,
};
