//! procession-pool.

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the driver that calls the core is built on top of it"
    )
)]
mod core;
