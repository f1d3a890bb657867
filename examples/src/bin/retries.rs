//! Retries: work that fails now and then is done all the same, and what always fails says how often it was tried.
//!
//! cargo run -p procession-examples --bin retries

use std::path::{Path, PathBuf};
use std::time::Duration;

use procession::{Pool, TaskErrorKind};

/// A converter as they come: it crashes at its first file of some kinds, and at "broken" ones always.
fn convert(work: PathBuf, file: String) -> String {
    let again = work.join(format!("{file}.seen"));
    let first = !again.exists();
    std::fs::write(again, "").expect("a note");
    match Path::new(&file).extension().and_then(|e| e.to_str()) {
        Some("tiff") if first => std::process::abort(),
        Some("jpeg") if first => panic!("no memory left"),
        Some("broken") => std::process::exit(70),
        _ => format!("{file}.png"),
    }
}

/// A server that is busy at first; its error is a value, not a crash.
fn fetch(work: PathBuf, page: u32) -> Result<String, String> {
    let asked = work.join(format!("{page}.asked"));
    if asked.exists() {
        return Ok(format!("page {page}"));
    }
    std::fs::write(asked, "").map_err(|e| e.to_string())?;
    Err("busy".into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();
    let work = std::env::temp_dir().join(format!("retries-{}", std::process::id()));
    std::fs::create_dir(&work)?;
    let pool = Pool::new(2)?;

    // Two more attempts for each file, whatever goes wrong.
    let files = ["a.gif", "b.tiff", "c.jpeg", "d.broken"];
    let call = pool.call(convert).retries(2);
    for file in files {
        match call.apply((work.clone(), file.to_string())) {
            Ok(converted) => println!("{file}: {converted}"),
            Err(error) if error.kind() == TaskErrorKind::WorkerDied => {
                println!("{file}: given up after {} attempts", error.attempts());
            }
            Err(error) => return Err(error.into()),
        }
    }

    // An error that a function returns is a value, unless the call says otherwise.
    println!("{:?}", pool.apply(fetch, (work.clone(), 1))?);
    let patient = pool
        .call(fetch)
        .retries(3)
        .retry_errors()
        .retry_delay(Duration::from_millis(50));
    println!("{:?}", patient.apply((work.clone(), 2))?);

    // A predicate has the last word: here nothing is worth a second attempt but a death.
    let picky = pool
        .call(|| -> () { panic!("a bug stays a bug") })
        .retries(5)
        .retry_if(|error| error.death().is_some());
    let error = picky.apply(()).unwrap_err();
    println!("{} attempt", error.attempts());

    pool.close();
    pool.join()?;
    std::fs::remove_dir_all(work)?;
    Ok(())
}
