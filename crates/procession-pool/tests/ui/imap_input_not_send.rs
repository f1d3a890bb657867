fn main() {
    let pool = procession_pool::Pool::new(1).unwrap();
    let taken = std::rc::Rc::new(std::cell::Cell::new(0));
    let numbers = (0..3).inspect(|_| taken.set(taken.get() + 1));
    let _ = pool.imap(|n: u32| n, numbers);
}
