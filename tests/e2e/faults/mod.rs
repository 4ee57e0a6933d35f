//! Crashes, kills, starts that fail, and clocks that jump.

mod clock;
mod crashes;
mod start;
mod storm;
