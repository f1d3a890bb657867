use procession_task::TaskRef;

fn length(text: &str) -> usize {
    text.len()
}

fn main() {
    let _ = TaskRef::of(length);
}
