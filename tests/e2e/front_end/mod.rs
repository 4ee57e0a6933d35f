//! Front ends: their pages, and what they read of the API.

mod contract;
mod pages;
mod replay;
