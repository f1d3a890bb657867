use procession_task::TaskRef;

struct Handle(u32);

fn close(handle: Handle) -> u32 {
    handle.0
}

fn main() {
    let _ = TaskRef::of(close);
}
