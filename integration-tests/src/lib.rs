//! What whole-program tests share: the leak audit and the watchdog. Tests nothing itself.

pub mod audit;
