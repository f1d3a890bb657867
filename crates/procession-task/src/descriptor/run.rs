//! One call in a worker: decode, run, encode; nothing may unwind out of it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::codec::{Limits, decode, encode};
use crate::failure::{Failure, Stage, panic};
use crate::image;
use crate::task::{Arguments, Task};

type Outcome = Result<(), Failure>;
/// The part of a call that knows the types: told where to note its step, and where the result goes.
type Body<'a> = dyn FnMut(&Cell<Step>, &mut Vec<u8>) -> Outcome + 'a;

/// How far a call has come, so that a panic is charged to the right step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Decode,
    Run,
    Encode,
    Done,
}

pub(super) fn run<F: Task<Args>, Args: Arguments>(
    input: &[u8],
    output: &mut Vec<u8>,
    limits: &Limits,
) -> Outcome {
    guarded(output, &mut |step, output| {
        let args: Args = decode(input, limits).map_err(|e| Failure::decode_args(&e))?;
        F::check()?;
        step.set(Step::Run);
        let result = image::materialise::<F>().call(args);
        step.set(Step::Encode);
        encode(&result, output, limits).map_err(|e| Failure::encode_result(&e))?;
        step.set(Step::Done);
        Ok(())
    })
}

/// The part of a call that is the same for every task.
fn guarded(output: &mut Vec<u8>, body: &mut Body<'_>) -> Outcome {
    let start = output.len();
    let step = Cell::new(Step::Decode);
    let outcome = match catch_unwind(AssertUnwindSafe(|| body(&step, output))) {
        Ok(outcome) => outcome,
        Err(payload) => {
            let outcome = panicked(step.get(), &panic::payload_text(&*payload));
            // The payload's own Drop may panic, and so may the Drop of that panic's payload: that one is leaked.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
            outcome
        }
    };
    if outcome.is_err() {
        output.truncate(start);
    }
    outcome
}

fn panicked(step: Step, message: &str) -> Outcome {
    let stage = match step {
        Step::Decode => Stage::PanicDecode,
        Step::Run => Stage::Run,
        Step::Encode => Stage::PanicEncode,
        // The result is encoded; only its Drop panicked.
        Step::Done => return Ok(()),
    };
    let captured = panic::take_for(message);
    Err(match captured {
        Some(failure) => Failure { stage, ..failure },
        None => Failure::new(stage, message),
    })
}
