//! Captured output: what workers print comes out line by line behind their names, and a crash brings its last words along.
//!
//! cargo run -p procession-examples --bin captured_output

use std::sync::mpsc;

use procession::{Output, OutputLine, OutputStream, Pool};

/// Talks while it works, as libraries do.
fn render(page: u32) -> u32 {
    println!("page {page}: {} fonts", page % 3);
    if page == 3 {
        eprintln!("page {page}: the image is truncated");
        std::process::abort();
    }
    page * 100
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    procession::init();

    // Printed by this program, whole and tagged: `[pdf/1] page 1: 1 fonts`. Each task's lines come before its result.
    let pool = Pool::builder()
        .workers(1)
        .name("pdf")
        .stdout(Output::Captured)
        .stderr(Output::Captured)
        .build()?;
    for page in 1..=3 {
        match pool.apply(render, (page,)) {
            Ok(size) => println!("page {page} has {size} bytes"),
            Err(error) => {
                let death = error.death().ok_or("it died")?;
                let last = death.stderr_tail().unwrap_or_default();
                println!("page {page} failed: {}", last.trim_end());
            }
        }
    }
    pool.close();
    pool.join()?;

    // Or handed to a function of yours, with everything known about it.
    let (tell, lines) = mpsc::channel();
    let pool = Pool::builder()
        .workers(2)
        .on_output(move |line: &OutputLine| {
            // Nobody listens any more when the program is about to end.
            let _ = tell.send(line.clone());
        })
        .build()?;
    let sizes = pool.map(render, [5, 7, 8])?;
    pool.close();
    pool.join()?;
    drop(pool);
    let heard: Vec<OutputLine> = lines.iter().collect();
    let on_stdout = |line: &&OutputLine| line.stream() == OutputStream::Stdout;
    println!(
        "{} lines for {} pages",
        heard.iter().filter(on_stdout).count(),
        sizes.len()
    );
    Ok(())
}
