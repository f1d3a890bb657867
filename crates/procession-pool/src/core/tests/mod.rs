//! The core without a process: scenarios, random sequences, simulation; must not sleep or read a clock.

mod cancel;
mod cost;
mod deaths;
mod expiry;
mod fake;
mod grace;
mod in_order;
mod jobs;
mod limits;
mod priority;
mod random;
mod recycling;
mod retry;
mod scene;
mod shutdown;
mod simulation;
mod sizes;
mod spread;
mod starts;
mod sticky;
mod undying;
mod virtual_boot;
mod virtual_end;
mod virtual_pool;
mod virtual_user;
mod whereabouts;
