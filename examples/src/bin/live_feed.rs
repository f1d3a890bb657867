//! Live feed: what workers find goes to a reader in order, with a sign of life whenever a while has passed without.
//!
//! A server learns by writing that nobody reads any more; one that only waits for what comes next never learns it. Here the
//! rest is not searched then. In Python the next result of `imap` has a limit as well: `results.next(timeout=0.05)`.
//!
//! cargo run -p procession-examples --bin live_feed

use std::error::Error;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use procession::{NotYet, Pool};

/// The longest silence. Of a real server some 15 s: proxies close a connection that is silent for longer.
const SILENCE: Duration = Duration::from_millis(50);

/// Searches a thousand letters. The third archive is on a slow disk, and nobody finds the tape with the seventh.
fn search((archive, word): (u64, String)) -> String {
    match archive {
        3 => thread::sleep(Duration::from_millis(300)),
        7 => thread::sleep(Duration::from_secs(3_600)),
        _ => {}
    }
    let letter = |n: u64| format!("{}", n * n * archive);
    let found = (0..1_000).filter(|n| letter(*n).contains(&word)).count();
    format!("archive {archive}: {found} letters")
}

/// Sends server-sent events: `data: …` is one; a line that begins with a colon is none, and serves as a sign of life.
fn serve<I>(pool: &Pool, archives: I, word: &str, mut reader: UnixStream) -> io::Result<()>
where
    I: Iterator<Item = u64> + Send,
{
    let searches = archives.map(|archive| (archive, word.to_string()));
    let call = pool.call(search).timeout(Duration::from_millis(500));
    let mut found = call.imap(searches);
    loop {
        match found.next_timeout(SILENCE) {
            Ok(Some(Ok(line))) => writeln!(reader, "data: {line}")?,
            Ok(Some(Err(error))) => writeln!(reader, "data: failed: {:?}", error.kind())?,
            Ok(None) => return writeln!(reader, "data: that was all"),
            Err(NotYet) => writeln!(reader, ": still searching")?,
        }
        // Where writing fails, the lazy map is dropped: nothing more is begun, and what runs is discarded.
    }
}

/// Reads in a thread of its own, and hangs up after so many signs of life.
fn reader(patience: usize) -> io::Result<(UnixStream, JoinHandle<Vec<String>>)> {
    let (ours, theirs) = UnixStream::pair()?;
    let read = thread::spawn(move || {
        let (mut lines, mut signs) = (Vec::new(), 0);
        for line in BufReader::new(theirs).lines().map_while(Result::ok) {
            signs += usize::from(line.starts_with(':'));
            lines.push(line);
            if signs == patience {
                break;
            }
        }
        lines
    });
    Ok((ours, read))
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let pool = Pool::new(2)?;

    let (connection, read) = reader(usize::MAX)?;
    serve(&pool, 1..=8, "77", connection)?;
    let lines = read.join().map_err(|_| "the reader panicked")?;
    let (signs, data): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with(':'));
    for line in data {
        println!("{line}");
    }
    if signs.is_empty() {
        return Err("a silence of 300 ms, and no sign of life".into());
    }

    // This one asks for archives without end, and hangs up as soon as nothing comes.
    let (connection, read) = reader(1)?;
    let gone = serve(&pool, 1.., "77", connection).err();
    match gone.ok_or("it was served to the end")?.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => println!("a reader has gone"),
        other => return Err(format!("the reader was not served: {other}").into()),
    }
    let lines = read.join().map_err(|_| "the reader panicked")?;
    println!("its last line was {:?}", lines.last().ok_or("nothing")?);

    pool.close();
    pool.join()?;
    if pool.stats().done > 30 {
        return Err("nobody reads, and the search goes on".into());
    }
    Ok(())
}
