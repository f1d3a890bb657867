use procession_task::{Arguments, Task};

fn apply<F: Task<Args>, Args: Arguments>(task: F, args: Args) -> F::Output {
    task.call(args)
}

fn double(x: u32) -> u32 {
    x * 2
}

fn main() {
    apply(double, ("five".to_string(),));
}
