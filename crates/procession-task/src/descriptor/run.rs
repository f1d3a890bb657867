//! One call in a worker: decode, run, encode; nothing may unwind out of it.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::codec::{Limits, decode, encode};
use crate::failure::{Failure, Stage, panic};
use crate::image;
use crate::task::{Arguments, Task};

/// A failure stays behind a pointer: nearly every call succeeds, and would else move the place of one about.
pub(super) type Outcome = Result<(), Box<Failure>>;

/// How far a call has come, noted as it goes: an unwound one cannot say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Decode,
    Run,
    Encode,
    Done,
}

/// The one generic function of a task: what its descriptor points at.
pub(super) fn run<F: Task<Args>, Args: Arguments>(
    input: &[u8],
    output: &mut Vec<u8>,
    limits: &Limits,
) -> Outcome {
    let start = output.len();
    let step = Cell::new(Step::Decode);
    let body = || {
        let args: Args = decode(input, limits).map_err(|e| Failure::decode_args(&e))?;
        F::check()?;
        step.set(Step::Run);
        let result = image::materialise::<F>().call(args);
        step.set(Step::Encode);
        encode(&result, output, limits).map_err(|e| Failure::encode_result(&e))?;
        step.set(Step::Done);
        Ok(())
    };
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => {
            output.truncate(start);
            Err(failure)
        }
        Err(payload) => unwound(step.get(), payload).inspect_err(|_| output.truncate(start)),
    }
}

/// The outcome of a call that panicked; consumes the payload without unwinding.
#[cold]
fn unwound(step: Step, payload: Box<dyn Any + Send>) -> Outcome {
    let outcome = panicked(step, &panic::payload_text(&*payload));
    // The payload's own Drop may panic, and so may the Drop of that panic's payload: that one is leaked.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
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
    Err(Box::new(match captured {
        Some(failure) => Failure { stage, ..failure },
        None => Failure::new(stage, message),
    }))
}
