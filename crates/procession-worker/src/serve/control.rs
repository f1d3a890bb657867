//! The worker's end of the control socket: what the parent says besides calls, which is values that calls name.
//! It must never wait for a message: what a call needs was sent before the call.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use procession_os::socket::{Received, Socket};
use procession_os::{Sealed, prologue};
use procession_task::message::{ArgBytes, FromWorker, ToWorker};

use crate::boot::{EXIT_PARENT_GONE, EXIT_PROTOCOL};
use crate::link::{self, Layout};
use crate::shares::{Content, Finder, Given};

/// A message carries at most one descriptor.
const MAX_FDS: usize = 1;

/// A value the parent shared, or why it could not be received.
type Shared = Result<Arc<Given>, String>;

/// The control socket and what has come over it.
pub(super) struct Control {
    socket: Socket,
    layout: Layout,
    /// How many messages the parent had sent when the socket was last found empty.
    heard: Cell<u64>,
    shared: RefCell<HashMap<u64, Shared>>,
    /// Why a packet did not arrive: the kernel drops what this process has no descriptors left for.
    missed: RefCell<Option<String>>,
}

impl Control {
    pub(super) fn new(socket: Socket, layout: Layout) -> Rc<Control> {
        Rc::new(Control {
            socket,
            layout,
            heard: Cell::new(0),
            shared: RefCell::default(),
            missed: RefCell::default(),
        })
    }

    /// What finds the values that the arguments of calls name.
    pub(super) fn finder(self: &Rc<Control>) -> Finder {
        let control = Rc::clone(self);
        Rc::new(move |id| control.find(id))
    }

    pub(super) fn say(&self, message: &FromWorker) -> procession_os::Result<()> {
        self.socket.send(&message.encode(), &[])
    }

    pub(super) fn ring(&self) {
        // A full socket means the parent has packets to read already.
        let _ = self.socket.try_send(&FromWorker::Bell.encode(), &[]);
    }

    /// To answer what the parent has asked for.
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether the parent has said something that was not heard. One load: asked before each frame and each sleep.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.told() != self.heard.get()
    }

    fn told(&self) -> u64 {
        let told = self.layout.header.at(link::TOLD);
        told.load(Ordering::Acquire)
    }

    /// Reads everything the parent has said. When it is gone, this process ends: that is the second line beside the
    /// parent-death signal.
    pub(super) fn hear(&self) {
        // What was sent before this count was stored is in the socket.
        let told = self.told();
        while self.hear_one() {}
        self.heard.set(told);
    }

    fn find(&self, id: u64) -> Shared {
        loop {
            if let Some(found) = self.shared.borrow().get(&id) {
                return found.clone();
            }
            // One by one: a later message may say to forget it.
            if !self.hear_one() {
                let why = match self.missed.borrow().as_ref() {
                    Some(missed) => format!("a shared value has not arrived: {missed}"),
                    None => "a shared value is not there any more".into(),
                };
                return Err(why);
            }
        }
    }

    /// Takes one message; false when there is none.
    fn hear_one(&self) -> bool {
        match self.socket.try_recv(MAX_FDS) {
            Ok(None) => return false,
            Ok(Some(Received::Packet { bytes, fds })) => match ToWorker::decode(&bytes) {
                Ok(ToWorker::Share { id, value }) => {
                    let given = received(value, fds).map(|content| Arc::new(Given::new(content)));
                    let former = self.shared.borrow_mut().insert(id, given);
                    self.discard(former);
                }
                Ok(ToWorker::Forget { ids }) => {
                    for id in ids {
                        let former = self.shared.borrow_mut().remove(&id);
                        self.discard(former);
                    }
                }
                Ok(ToWorker::Cancel { .. }) => {}
                Ok(ToWorker::Boot(_)) | Err(_) => prologue::exit_now(EXIT_PROTOCOL),
            },
            Ok(Some(Received::Closed)) => prologue::exit_now(EXIT_PARENT_GONE),
            // The packet is gone, and the next one may be whole.
            Err(e) if e.raw_os_error().is_none() => {
                *self.missed.borrow_mut() = Some(e.to_string());
            }
            Err(_) => prologue::exit_now(EXIT_PARENT_GONE),
        }
        true
    }

    /// Drops a value, which is user code: it may panic, and that is no call's fault.
    fn discard(&self, former: Option<Shared>) {
        if catch_unwind(AssertUnwindSafe(|| drop(former))).is_err() {
            self.layout.set_last_words(&[]);
        }
    }
}

fn received(value: ArgBytes, fds: Vec<OwnedFd>) -> Result<Content, String> {
    match value {
        ArgBytes::Inline(bytes) => Ok(Content::Here(bytes)),
        ArgBytes::Descriptor => match fds.first() {
            Some(fd) => Sealed::open(fd.as_fd())
                .map(Content::Mapped)
                .map_err(|e| format!("a shared value cannot be used: {e}")),
            None => Err("the descriptor of a shared value did not arrive".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procession_os::memfd_with;
    use procession_os::segment::Segment;

    /// The worker's end and the parent's, which counts what it sends.
    fn pair() -> (Rc<Control>, impl Fn(&ToWorker, Option<OwnedFd>)) {
        let segment = Segment::create("test", link::SEGMENT_BYTES).unwrap();
        let layout = Layout::new(&Arc::new(segment)).unwrap();
        let (ours, theirs) = Socket::pair().unwrap();
        let told = layout.header.clone();
        let send = move |message: &ToWorker, fd: Option<OwnedFd>| {
            let fds: Vec<_> = fd.iter().map(AsFd::as_fd).collect();
            assert!(ours.try_send(&message.encode(), &fds).unwrap());
            told.at(link::TOLD).fetch_add(1, Ordering::Release);
        };
        (Control::new(Socket::from_fd(theirs), layout), send)
    }

    fn share(id: u64, bytes: &[u8]) -> ToWorker {
        let value = ArgBytes::Inline(bytes.to_vec());
        ToWorker::Share { id, value }
    }

    #[test]
    fn a_value_is_found_although_nothing_was_heard_before() {
        let (control, send) = pair();
        send(&share(1, &[7]), None);
        send(&share(2, &[8]), None);
        send(&ToWorker::Forget { ids: vec![2, 9] }, None);
        assert!(control.has_news());
        assert_eq!(*control.find(2).unwrap().value::<u8>().unwrap(), 8);
        assert!(control.has_news(), "the last message waits");
        assert_eq!(*control.find(1).unwrap().value::<u8>().unwrap(), 7);
        control.hear();
        assert!(!control.has_news());
        let error = control.find(2).unwrap_err();
        assert_eq!(error, "a shared value is not there any more");
    }

    #[test]
    fn a_file_is_mapped_and_one_that_may_change_is_not() {
        let (control, send) = pair();
        let by_descriptor = |id| ToWorker::Share {
            id,
            value: ArgBytes::Descriptor,
        };
        send(
            &by_descriptor(1),
            Some(memfd_with("test", b"many").unwrap()),
        );
        let segment = Segment::create("test", 4096).unwrap();
        let writable = segment.fd().unwrap().try_clone_to_owned().unwrap();
        send(&by_descriptor(2), Some(writable));
        send(&by_descriptor(3), None);
        control.hear();
        let content = control.find(1).unwrap().bytes().unwrap();
        assert!(matches!(&*content, Content::Mapped(_)) && **content == *b"many");
        assert!(control.find(2).unwrap_err().contains("not sealed"));
        assert!(control.find(3).unwrap_err().contains("did not arrive"));
    }

    #[test]
    fn what_the_kernel_dropped_is_told_and_hides_nothing_else() {
        let segment = Segment::create("test", link::SEGMENT_BYTES).unwrap();
        let layout = Layout::new(&Arc::new(segment)).unwrap();
        let (ours, theirs) = Socket::pair().unwrap();
        let control = Control::new(Socket::from_fd(theirs), layout);
        let fd = || memfd_with("test", b"x").unwrap();
        let (one, two) = (fd(), fd());
        // Two descriptors where one is expected: the packet is lost, as when this process had no numbers left.
        let lost = share(1, &[1]).encode();
        ours.send(&lost, &[one.as_fd(), two.as_fd()]).unwrap();
        ours.send(&share(2, &[2]).encode(), &[]).unwrap();
        assert_eq!(*control.find(2).unwrap().value::<u8>().unwrap(), 2);
        let error = control.find(1).unwrap_err();
        assert!(
            error.contains("has not arrived: a packet carried more descriptors"),
            "{error}"
        );
    }
}
