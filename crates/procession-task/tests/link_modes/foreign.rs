//! A program that has the library in a shared object, and its functions in itself.

use shared::procession_task::{TaskRef, build_id};

fn local(x: u8) -> u8 {
    x
}

fn main() {
    assert!(!build_id().is_empty());
    println!("{}", TaskRef::of(local).unwrap_err());
}
