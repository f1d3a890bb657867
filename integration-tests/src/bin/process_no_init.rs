//! A program that forgot `init`: it tries to start a process at the top of main, and must never succeed.

use procession_worker::Process;

fn main() {
    println!("main of {}", std::process::id());
    match Process::spawn(|| (), ()) {
        Ok(_) => println!("started"),
        Err(error) => println!("{} {error}", error.is_not_initialized()),
    }
}
