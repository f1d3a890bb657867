use procession_task::TaskRef;

fn double(x: u32) -> u32 {
    x * 2
}

fn main() {
    let pointer: fn(u32) -> u32 = double;
    let _ = TaskRef::of(pointer);
}
