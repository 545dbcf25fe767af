//! Faults that a harness must find. A harness that finds nothing has to prove that it could have.

mod door;
mod hasty;
mod porter;

pub(crate) use self::{
    door::{Door, DoorFault},
    hasty::{ClonesInCall, GoesOnWithAClone, RefusesReadiness},
    porter::{Porter, PorterFault},
};
