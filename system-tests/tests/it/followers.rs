//! Followers of the log: nothing skipped, nothing twice, whatever becomes of them.

mod desk;
mod fencing;
mod interrupted;
mod order;
mod parking;
mod running;
