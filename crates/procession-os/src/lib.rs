//! Processes, shared memory and wake-ups for Linux: the lowest layer of `procession`. It knows bytes, descriptors and
//! process numbers, and never a type, a function or a message of the user.
//!
//! # When to use only this layer
//! Take [`procession`](https://docs.rs/procession) to run functions in other processes. Take this crate when you have a
//! protocol of your own and want only what is hard to get right underneath: start a copy of your program, know for certain
//! when and how it ended, hand it descriptors, and share memory that it cannot pull away.
//!
//! # What it promises
//! 1. **The right process.** A [`Child`] is its pidfd. It is waited for, signalled and killed through that alone, so a
//!    reused process number is never hit; it is reaped exactly once, from any thread.
//! 2. **The true ending.** The [`ExitStatus`] is exact also when the host ignores SIGCHLD or collects children by itself
//!    (Linux 6.15 or later; before, it is said to be lost). Nothing ever hangs on it.
//! 3. **No orphans.** [`Spawn`] starts every child from one thread that lives as long as the process, so
//!    [`prologue::die_with_parent`] means the process, not the thread that happened to ask.
//! 4. **Memory that stays.** A [`Segment`] is sealed before anyone maps it and backed by pages from the start: no peer can
//!    make an access to it fault. Its content is never trusted and only reached as atomic words.
//! 5. **Errors, not surprises.** No panic, no signal (SIGPIPE, SIGXFSZ) and no leaked descriptor comes from the
//!    environment's refusals. Each [`Error`] is a sentence with the kernel's reason.
//!
//! It installs no signal handler in the host, changes no disposition there, and writes to no output. What a child does to
//! itself is in [`prologue`], one function for each step.
//!
//! # Five minutes
//! **Watch a process**, whoever started it, as long as it is a child of this one:
//! ```
//! use procession_os::{Child, Signal};
//! use std::time::{Duration, Instant};
//!
//! let started = std::process::Command::new("sleep").arg("60").spawn()?;
//! let child = Child::adopt(started.id())?;
//! let soon = Instant::now() + Duration::from_millis(20);
//! assert_eq!(child.wait_deadline(Some(soon))?, None); // it runs
//! child.signal(Signal::TERM)?;
//! assert_eq!(child.wait()?.to_string(), "signal SIGTERM (15)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Run a copy of this program** as a helper, with a socket between the two. The program tells the two apart by a variable;
//! the helper takes the steps of the prologue in this order:
//! ```no_run
//! use procession_os::prologue::{self, Interrupts};
//! use procession_os::{Received, Result, Socket, Spawn};
//! use std::os::fd::AsFd;
//!
//! fn main() -> Result<()> {
//!     if let Some(parent) = prologue::take_env("DEMO_PARENT") {
//!         return helper(parent.to_string_lossy().parse().unwrap_or(0));
//!     }
//!     let (socket, control) = Socket::pair()?;
//!     let mut spawn = Spawn::own_image(control);
//!     spawn.env.push(("DEMO_PARENT".into(), Some(std::process::id().to_string().into())));
//!     let started = spawn.start()?;
//!     socket.send(b"what is your number?", &[])?;
//!     if let Received::Packet { bytes, .. } = socket.recv(0)? {
//!         assert_eq!(bytes, started.child.pid().to_ne_bytes());
//!     }
//!     println!("the helper ended with {}", started.child.wait()?);
//!     Ok(())
//! }
//!
//! fn helper(parent: u32) -> Result<()> {
//!     let control = prologue::take_control_fd()?; // standard input is empty from here on
//!     prologue::close_other_fds(control.as_fd())?;
//!     prologue::reset_signals(Interrupts::Ignore)?;
//!     if !prologue::die_with_parent(parent)? {
//!         prologue::exit_now(121);
//!     }
//!     let socket = Socket::from_fd(control);
//!     socket.recv(0)?;
//!     socket.send(&std::process::id().to_ne_bytes(), &[])
//! }
//! ```
//!
//! **Send bytes and descriptors** in whole packets:
//! ```
//! use procession_os::{Received, Socket, memfd_with, read_all};
//! use std::os::fd::AsFd;
//!
//! let (ours, theirs) = Socket::pair()?;
//! let theirs = Socket::from_fd(theirs); // in real life, in the other process
//! let long = memfd_with("arguments", &[7; 1_000_000])?; // too long for a packet
//! ours.send(b"read this", &[long.as_fd()])?;
//! let Received::Packet { bytes, fds } = theirs.recv(1)? else { panic!("closed") };
//! assert_eq!(bytes, b"read this");
//! assert_eq!(read_all(fds[0].as_fd(), 1 << 20)?.len(), 1_000_000);
//! # Ok::<(), procession_os::Error>(())
//! ```
//!
//! **Share memory**, and pass frames through a ring in it, waking the reader only when it sleeps:
//! ```
//! use procession_os::doorbell::{Sleeper, Waker};
//! use procession_os::ring::{Consumer, Producer, RING_HEADER_WORDS};
//! use procession_os::Segment;
//! use std::sync::Arc;
//!
//! const BYTES: usize = 64 * 1024;
//! let segment = Arc::new(Segment::create("link", BYTES)?);
//! // The other process does the same with `Segment::open` on the descriptor it received.
//! let other = Arc::new(Segment::open(segment.fd().unwrap().try_clone_to_owned()?, BYTES)?);
//! let parts = |segment: &Arc<Segment>| -> procession_os::Result<_> {
//!     let bell = segment.words(0, 1)?;
//!     let header = segment.words(4096, RING_HEADER_WORDS)?;
//!     Ok((bell, header, segment.words(8192, 4096)?))
//! };
//! let (bell, header, data) = parts(&segment)?;
//! let (mut producer, waker) = (Producer::new(header, data)?, Waker::new(&bell, 0));
//! let (bell, header, data) = parts(&other)?;
//! let (mut consumer, sleeper) = (Consumer::new(header, data)?, Sleeper::new(&bell, 0));
//!
//! let reader = std::thread::spawn(move || {
//!     let mut frame = Vec::new();
//!     loop {
//!         match consumer.claim(&mut frame) {
//!             Ok(Some(tag)) => return (tag, frame),
//!             Ok(None) => sleeper.sleep_unless(|| !consumer.is_empty(), None).unwrap(),
//!             Err(corrupt) => panic!("{corrupt}"),
//!         }
//!     }
//! });
//! assert!(producer.write(5, &[b"a frame"]));
//! producer.publish();
//! waker.wake_if_asleep();
//! assert_eq!(reader.join().unwrap(), (5, b"a frame".to_vec()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it needs
//! Linux 5.4 or later, for pidfds that can be waited for; 6.9 to kill what is left of a group whose leader was reaped; 6.15
//! for a status that someone else collected. `/proc` should be mounted. Without pidfds a start is an error that says so.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "procession-os runs on Linux only: it is built on pidfds, sealed memfds and futexes, which no other system has"
);

pub mod child;
pub mod clock;
pub mod doorbell;
pub mod error;
pub mod hold;
pub mod limits;
pub mod oom;
pub mod prologue;
pub mod ring;
pub mod sealed;
pub mod segment;
pub mod socket;
pub mod spawn;
pub mod status;
pub mod sync;
pub mod words;

mod abandoned;
mod abort;
mod fault;
mod forked;
mod memfd;
mod quota;
mod sys;

pub use child::{Child, Signal};
pub use clock::{monotonic_coarse_ns, monotonic_ns};
pub use error::{Error, Result};
pub use fault::FatalNote;
pub use forked::is_forked_copy;
pub use limits::{check_descriptors, cpu_count};
pub use memfd::{memfd_with, read_all};
pub use sealed::Sealed;
pub use segment::Segment;
pub use socket::{Received, Socket};
pub use spawn::{Spawn, Spawned, Starting};
pub use status::{ExitStatus, signal_name};
pub use words::Words;
