fn main() {
    let _ = procession_pool::Pool::builder().initializer(7, ());
}
