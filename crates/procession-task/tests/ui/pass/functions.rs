use procession_task::TaskRef;

fn plain(a: u32, b: String) -> String {
    format!("{a}{b}")
}

fn generic<T: Clone>(x: T) -> (T, T) {
    (x.clone(), x)
}

fn main() {
    TaskRef::of(plain).unwrap();
    TaskRef::of(generic::<u8>).unwrap();
    TaskRef::of(|x: f64| x * 2.0).unwrap();
    TaskRef::of(|| ()).unwrap();
}
