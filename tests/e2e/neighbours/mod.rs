//! One neighbour cannot harm another: an attacker does everything that it may at
//! full speed, and an honest user beside it is served nearly as fast as alone.

mod abuse;
mod engine;
mod support;
mod uploads;
mod watching;
