use procession_task::TaskRef;

struct Handle;

fn open(_path: String) -> Handle {
    Handle
}

fn main() {
    let _ = TaskRef::of(open);
}
