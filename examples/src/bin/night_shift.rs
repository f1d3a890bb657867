//! Night shift: a long batch in the background, customers who do not wait for it, a bar, and failures that tell which account it was.
//!
//! cargo run -p procession-examples --bin night_shift

use std::error::Error;
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;
use procession::Pool;
use serde::{Deserialize, Serialize};

const ACCOUNTS: u32 = 400;
/// Opened, and never used.
const UNUSED: u32 = 77;
/// Somebody wrote an O for a 0.
const MISTYPED: u32 = 123;

/// What the archive has of an account. Errors show the first 200 characters: what tells it from others comes first.
#[derive(Clone, Serialize, Deserialize)]
struct Account {
    number: u32,
    owner: String,
    bookings: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Statement {
    number: u32,
    balance: i64,
    average: i64,
}

/// Code of old, which says what it met and not where: "attempt to divide by zero".
fn summed(account: &Account) -> Statement {
    let amount = |text: &String| text.parse::<i64>().expect("an amount");
    let balance: i64 = account.bookings.iter().map(amount).sum();
    Statement {
        number: account.number,
        balance,
        average: balance / account.bookings.len() as i64,
    }
}

fn statement(account: Account) -> Statement {
    let statement = summed(&account);
    thread::sleep(Duration::from_millis(2)); // it is printed
    statement
}

fn account(number: u32) -> Account {
    let mut bookings: Vec<String> = (0..60).map(|n| (n * number % 1_000).to_string()).collect();
    match number {
        UNUSED => bookings.clear(),
        MISTYPED => bookings[50] = "1O0".to_string(),
        _ => {}
    }
    Account {
        number,
        owner: format!("customer {number}"),
        bookings,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let pool = Pool::new(2)?;
    let bar = ProgressBar::new(0); // drawn on standard error, if that is a terminal

    // All of them wait in the pool, and whatever is asked without a priority goes first.
    let night = pool
        .call(statement)
        .priority(-1)
        .describe_args()
        .buffer_size(ACCOUNTS as usize)
        .progress_bar(&bar);
    let (mut printed, mut failed) = (Vec::new(), Vec::new());
    let outcomes = night.imap_unordered((0..ACCOUNTS).map(account));
    for (done, outcome) in outcomes.enumerate() {
        match outcome {
            Ok(statement) => printed.push(statement),
            Err(error) => failed.push(error),
        }
        // Now and then somebody rings at the door. Theirs is the last account of all, but nobody waits for the others.
        if done == 10 || done == 60 {
            let asked = account(ACCOUNTS - 1);
            if pool.apply(statement, (asked.clone(),))? != summed(&asked) {
                return Err("the customer was handed a wrong statement".into());
            }
            if pool.stats().queued == 0 {
                return Err("the customer was served last".into());
            }
            bar.suspend(|| println!("served at once: {}", asked.owner));
        }
    }
    bar.finish_and_clear();
    pool.close();
    pool.join()?;

    printed.sort_by_key(|statement| statement.number);
    let good = (0..ACCOUNTS).filter(|number| ![UNUSED, MISTYPED].contains(number));
    let expected: Vec<Statement> = good.map(|number| summed(&account(number))).collect();
    if printed != expected {
        return Err("a statement is missing or wrong".into());
    }
    println!("{} statements, {} failures", printed.len(), failed.len());
    failed.sort_by_key(|error| error.item());
    for error in &failed {
        let why = error.panic().ok_or("no panic")?;
        let account = error.args().ok_or("no arguments")?;
        println!("{}\n  of {account}", why.message());
    }
    Ok(())
}
