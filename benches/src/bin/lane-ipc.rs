//! The lane of the loop on ipc-channel, and its worker (`--ipc-worker`). Must link no other side.

use std::process::ExitCode;

use procession_benches::sides::{Ipc, ended, ipc_worker, lane};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [option, name] if option == "--ipc-worker" => ended("ipc worker", ipc_worker(name)),
        _ => lane("ipc", Ipc::default()),
    }
}
