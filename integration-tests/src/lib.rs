//! What whole-program tests share: the leak audit, the watchdog and the frame of a pool's test. Tests nothing itself.

pub mod audit;
pub mod pool_scene;
