//! A program that calls `init` only where a child does not come by: its children reach main and must end there.

use procession_worker::Process;

fn main() {
    println!("main of {}", std::process::id());
    if std::env::var_os("PROCESSION_BOOT").is_none() {
        procession_worker::init();
    }
    // A child is told apart here: it has no `init` behind it.
    match std::env::args().nth(1).as_deref() {
        Some("use") | None => {
            let error = Process::spawn(|| (), ())
                .unwrap()
                .into_result()
                .unwrap_err();
            println!("{:?} {error}", error.kind());
        }
        Some(other) => panic!("no scenario {other}"),
    }
}
