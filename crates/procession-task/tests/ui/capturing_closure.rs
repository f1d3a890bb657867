use procession_task::TaskRef;

fn main() {
    let factor = 3u32;
    let _ = TaskRef::of(move |x: u32| x * factor);
}
