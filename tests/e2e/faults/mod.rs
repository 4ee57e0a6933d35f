//! Crashes, kills, starts that fail, and clocks that jump.

mod clock;
mod crashes;
mod lying;
mod start;
mod storm;
