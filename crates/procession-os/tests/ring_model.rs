//! Random sequences of operations on a ring, against a queue that does the same; must end with nothing left over.
#![cfg(not(loom))]

use procession_os::ring::{Consumer, Frames, Producer, RING_HEADER_WORDS};
use procession_os::words::Words;
use proptest::prelude::*;
use std::collections::VecDeque;

const DATA_WORDS: usize = 32;

#[derive(Clone, Debug)]
enum Step {
    Write { len: usize, cut: usize },
    WriteShort { len: usize },
    Begin { len: usize },
    Feed { len: usize },
    Stage,
    Publish,
    TakeBack,
    Read,
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..120, 0usize..120).prop_map(|(len, cut)| Step::Write { len, cut: cut.min(len) }),
        3 => (0usize..10).prop_map(|len| Step::WriteShort { len }),
        1 => (0usize..900).prop_map(|len| Step::Begin { len }),
        4 => (0usize..300).prop_map(|len| Step::Feed { len }),
        1 => Just(Step::Stage),
        5 => Just(Step::Publish),
        1 => Just(Step::TakeBack),
        6 => Just(Step::Read),
        3 => Just(Step::Release),
    ];
    prop::collection::vec(step, 0..200)
}

/// A frame as the model knows it.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    tag: u32,
    payload: Vec<u8>,
    fed: usize,
    end: u64,
}

fn payload(tag: u32, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u32 * 7 + tag) as u8).collect()
}

/// The producer, and the frames it has written that no one has been seen to begin.
struct Model {
    producer: Producer,
    open: VecDeque<Frame>,
    tags: u32,
}

impl Model {
    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Write { len, cut } => {
                let bytes = payload(self.tags, len);
                let fits = self.producer.has_room(len) && !self.producer.is_streaming();
                let (a, b) = bytes.split_at(cut);
                assert_eq!(self.producer.write(self.tags, &[a, b]), fits);
                if fits {
                    self.push(bytes, len);
                }
            }
            Step::WriteShort { len } => {
                let tag = self.tags;
                let short = len < 8 && tag < 16 && cfg!(target_endian = "little");
                let fits = self.producer.has_room(0) && !self.producer.is_streaming() && short;
                let bytes = payload(tag, len);
                assert_eq!(self.producer.write_short(tag, &bytes), fits);
                if fits {
                    self.push(bytes, len);
                }
            }
            Step::Begin { len } => {
                if self.producer.begin(self.tags, len as u32) {
                    self.push(payload(self.tags, len), 0);
                }
            }
            Step::Feed { len } => {
                if self.producer.is_streaming() {
                    let frame = self.open.back_mut().expect("the streamed frame");
                    let rest = &frame.payload[frame.fed..];
                    frame.fed += self.producer.feed(&rest[..len.min(rest.len())]);
                    assert_eq!(
                        self.producer.is_streaming(),
                        frame.fed < frame.payload.len()
                    );
                } else {
                    assert_eq!(self.producer.feed(&[1; 5]), 0);
                }
            }
            Step::Stage => self.producer.stage(),
            Step::Publish => {
                self.producer.publish();
            }
            Step::TakeBack | Step::Read | Step::Release => {
                unreachable!("the consumer's side decides")
            }
        }
    }

    fn push(&mut self, payload: Vec<u8>, fed: usize) {
        self.open.push_back(Frame {
            tag: self.tags,
            payload,
            fed,
            end: self.producer.position(),
        });
        // Only small tags are for short frames.
        self.tags = (self.tags + 1) % 40;
    }
}

fn ring() -> (Model, Consumer) {
    let (header, data) = (Words::heap(RING_HEADER_WORDS), Words::heap(DATA_WORDS));
    let producer = Producer::new(header.clone(), data.clone()).unwrap();
    (
        Model {
            producer,
            open: VecDeque::new(),
            tags: 0,
        },
        Consumer::new(header, data).unwrap(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Frames claimed one by one, with take-backs: each frame goes to exactly one side, whole and in order.
    #[test]
    fn claimed_frames_are_what_the_model_says(steps in steps()) {
        let (mut model, mut consumer) = ring();
        let mut reading: Option<Frame> = None;
        let mut out = Vec::new();
        let finish = [Step::Feed { len: 900 }, Step::Publish, Step::Read, Step::Release];
        for step in steps.iter().chain(finish.iter().cycle().take(4 * 60)) {
            match step {
                Step::TakeBack => {
                    let found = model.producer.take_back().unwrap();
                    model.open.retain(|frame| frame.end <= found);
                    // What stays is what was begun: at most the frame being read.
                    let staying: Vec<u32> = model.open.iter().map(|frame| frame.tag).collect();
                    let begun: Vec<u32> = reading.iter().map(|frame| frame.tag).collect();
                    prop_assert_eq!(staying, begun);
                }
                Step::Read if reading.is_none() => {
                    out.clear();
                    if let Some(tag) = consumer.claim(&mut out).unwrap() {
                        let frame = model.open.front().expect("the model has a frame").clone();
                        prop_assert_eq!(tag, frame.tag);
                        prop_assert!(model.producer.claimed().unwrap() >= frame.end);
                        reading = Some(frame);
                    }
                }
                Step::Read => {
                    consumer.more(&mut out).unwrap();
                }
                Step::Release => consumer.release(),
                step => model.apply(step),
            }
            if let Some(frame) = &reading {
                prop_assert_eq!(consumer.missing(), frame.payload.len() - out.len());
                if consumer.missing() == 0 {
                    prop_assert_eq!(&out, &frame.payload);
                    model.open.pop_front();
                    reading = None;
                }
            }
        }
        prop_assert!(model.open.is_empty() && reading.is_none(), "left over: {:?}", model.open);
        prop_assert_eq!(model.producer.is_drained(), Ok(true));
        prop_assert!(model.producer.has_room(DATA_WORDS * 8 - 8));
    }

    /// Frames drained in bulk, and after the producer's end those staged: a prefix of what was written, whole.
    #[test]
    fn drained_frames_are_what_the_model_says(steps in steps()) {
        let (mut model, mut consumer) = ring();
        let (mut buffer, mut shown) = (Vec::new(), 0);
        let mut visible = 0;
        for step in &steps {
            match step {
                Step::TakeBack => {}
                Step::Read | Step::Release => {
                    consumer.drain(&mut buffer).unwrap();
                }
                step => {
                    model.apply(step);
                    if matches!(step, Step::Stage | Step::Publish) {
                        visible = model.open.iter().filter(|frame| frame.fed == frame.payload.len()).count();
                    }
                }
            }
            let mut frames = Frames::new(&buffer);
            while let Some((tag, bytes)) = frames.next() {
                prop_assert_eq!((tag, bytes), (model.open[shown].tag, &model.open[shown].payload[..]));
                shown += 1;
            }
            if frames.wanted() > 0 {
                prop_assert_eq!(frames.wanted(), 8 + model.open[shown].payload.len().next_multiple_of(8));
            }
            buffer.drain(..frames.consumed());
        }
        drop(model.producer);
        consumer.drain_staged(&mut buffer).unwrap();
        let mut frames = Frames::new(&buffer);
        while let Some((tag, _)) = frames.next() {
            prop_assert_eq!(tag, model.open[shown].tag);
            shown += 1;
        }
        prop_assert_eq!(shown, visible, "whole frames shown");
    }
}
