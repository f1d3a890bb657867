//! The one file that uses libc. Each function is one kernel call in safe clothes; it holds no policy.
//!
//! # Safety
//! Every pointer given to the kernel here is to a live local of the exact type the call expects, and every structure is
//! plain integers, for which all-zero bytes are a valid value. `close_range` is the exception: it takes descriptors away
//! from whoever owns them, which is why its only caller is the prologue of a fresh process.
#![expect(
    unsafe_code,
    reason = "the kernel calls rustix does not offer: signal masks and dispositions, close_range, PIDFD_GET_INFO, group signals, System V segments; and C's stdout"
)]

use std::ffi::c_void;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::OnceLock;

use rustix::io::Errno;

use crate::fault::Fault;

/// Most calls answer -1 and leave the reason in errno; `syscall` does so in a wider type.
fn check(result: impl Into<libc::c_long>) -> Result<(), Errno> {
    match result.into() {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}

/// A thread's signal mask, to be put back.
pub(crate) struct Mask(libc::sigset_t);

fn mask_of(fill: unsafe extern "C" fn(*mut libc::sigset_t) -> libc::c_int) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `fill` is sigemptyset or sigfillset; both write one whole set to the pointer, which is to a live local.
    unsafe { fill(set.as_mut_ptr()) };
    // SAFETY: the set is plain integers, zeroed above and then filled in.
    unsafe { set.assume_init() }
}

fn set_mask(set: &libc::sigset_t) -> Result<Mask, Errno> {
    let mut old = mask_of(libc::sigemptyset);
    // SAFETY: both pointers are to live, initialised sets; the call changes only this thread's mask.
    let errno = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, &raw mut old) };
    if errno == 0 {
        Ok(Mask(old))
    } else {
        Err(Errno::from_raw_os_error(errno))
    }
}

/// Blocks every signal in this thread, but SIGCHLD where that was not blocked; returns the mask from before.
pub(crate) fn block_signals_but_sigchld() -> Result<Mask, Errno> {
    let mut set = mask_of(libc::sigfillset);
    let before = set_mask(&set)?;
    // SAFETY: both calls are given a live, initialised set and a valid signal.
    let was_blocked = unsafe { libc::sigismember(&raw const before.0, libc::SIGCHLD) } == 1;
    if !was_blocked {
        // SAFETY: as above.
        unsafe { libc::sigdelset(&raw mut set, libc::SIGCHLD) };
        set_mask(&set)?;
    }
    Ok(before)
}

/// Unblocks every signal in this thread; pending ones are delivered before this returns.
pub(crate) fn unblock_all_signals() -> Result<(), Errno> {
    set_mask(&mask_of(libc::sigemptyset)).map(|_| ())
}

impl Mask {
    /// Puts this mask back.
    pub(crate) fn restore(&self) -> Result<(), Errno> {
        set_mask(&self.0).map(|_| ())
    }
}

/// What a process does with a signal, as far as this layer cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disposition {
    Default,
    Ignore,
    Handler,
}

/// The highest signal number of the kernel.
pub(crate) const LAST_SIGNAL: i32 = 64;

fn action(signo: i32) -> Result<libc::sigaction, Errno> {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; the old one is written to a live local.
    let result = unsafe { libc::sigaction(signo, std::ptr::null(), old.as_mut_ptr()) };
    check(result)?;
    // SAFETY: plain integers and an optional function pointer, zeroed above and then filled in.
    Ok(unsafe { old.assume_init() })
}

fn set_action(signo: i32, new: &libc::sigaction) -> Result<(), Errno> {
    // SAFETY: `new` is a live, whole action: SIG_DFL, SIG_IGN, one saved from before, or `on_fatal` and
    // `on_abort_signal`, which have the form that their flags announce and do only async-signal-safe work.
    check(unsafe { libc::sigaction(signo, new, std::ptr::null_mut()) })
}

fn plain_action(handler: libc::sighandler_t, flags: libc::c_int) -> libc::sigaction {
    libc::sigaction {
        sa_sigaction: handler,
        sa_mask: mask_of(libc::sigemptyset),
        sa_flags: flags,
        sa_restorer: None,
    }
}

/// What this process does with a signal. `EINVAL` for the numbers the C library keeps to itself.
pub(crate) fn disposition(signo: i32) -> Result<Disposition, Errno> {
    Ok(match action(signo)?.sa_sigaction {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignore,
        _ => Disposition::Handler,
    })
}

pub(crate) fn ignore_signal(signo: i32) -> Result<(), Errno> {
    set_action(signo, &plain_action(libc::SIG_IGN, 0))
}

pub(crate) fn default_signal(signo: i32) -> Result<(), Errno> {
    set_action(signo, &plain_action(libc::SIG_DFL, 0))
}

/// Closes every descriptor in `first..=last`, whoever owns it.
pub(crate) fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: no memory is passed. The descriptors' owners are the caller's concern, see the head of this file.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) };
    check(result)
}

/// Whether a thread of a process can be signalled; nothing is sent.
pub(crate) fn probe_thread(process: u32, thread: u32) -> Result<(), Errno> {
    // SAFETY: no memory is passed, and signal 0 only asks.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) };
    check(result)
}

/// Closes one descriptor by number, whoever owns it. Errors mean that there was nothing to close.
pub(crate) fn close_raw(fd: i32) {
    // SAFETY: as for `close_range`.
    unsafe { libc::close(fd) };
}

/// Ends the process at once: no exit handlers, no buffers flushed, no destructors.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes no memory and does not return.
    unsafe { libc::_exit(code) }
}

unsafe extern "C" {
    /// The C library's own stream for descriptor 1.
    #[link_name = "stdout"]
    static C_STDOUT: *mut libc::FILE;
}

/// Has C's stdout write each line as it ends, whatever the descriptor is; false when it will not.
pub(crate) fn line_buffer_stdout() -> bool {
    // SAFETY: the C library has set its variable before the first constructor runs, and nobody assigns to it.
    let stream = unsafe { C_STDOUT };
    // SAFETY: the stream is the C library's own, open and never freed. No buffer is handed over (null), so none has to
    // outlive the call. glibc's takes the stream's lock; musl's does not, where the caller's law stands in: nothing in
    // this process uses the stream yet, but what a constructor of a linked library has left running.
    let result = unsafe { libc::setvbuf(stream, std::ptr::null_mut(), libc::_IOLBF, 0) };
    result == 0
}

/// Removes a variable from the environment.
pub(crate) fn remove_env(name: &str) {
    // SAFETY: sound while no other thread reads the environment behind std's back; the only caller's law is that the
    // process has one thread.
    unsafe { std::env::remove_var(name) }
}

/// The status word (in the form of `wait`) that the kernel keeps after someone else reaped the process. `None`: it is not,
/// or not wholly, gone. An error: this kernel keeps none.
pub(crate) fn exit_info(pidfd: BorrowedFd<'_>) -> Result<Option<i32>, Errno> {
    let mut info = MaybeUninit::<libc::pidfd_info>::zeroed();
    // SAFETY: the structure is plain integers, so zeroes are a valid value.
    let info = unsafe { info.assume_init_mut() };
    info.mask = u64::from(libc::PIDFD_INFO_EXIT);
    // SAFETY: the request number carries the structure's size, and the pointer is to a live, initialised one.
    check(unsafe {
        libc::ioctl(
            pidfd.as_raw_fd(),
            libc::PIDFD_GET_INFO,
            std::ptr::from_mut(info),
        )
    })?;
    let known = info.mask & u64::from(libc::PIDFD_INFO_EXIT) != 0;
    Ok(known.then_some(info.exit_code))
}

/// Signals the process group that the pidfd's process leads or led. `EINVAL` before Linux 6.9.
pub(crate) fn signal_group(pidfd: BorrowedFd<'_>, signo: i32) -> Result<(), Errno> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo asks the kernel to fill in the usual one; no other memory is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signo,
            no_info,
            libc::PIDFD_SIGNAL_PROCESS_GROUP,
        )
    };
    check(result)
}

const FATAL: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGSYS,
];

struct Fatal {
    note: fn(&Fault),
    previous: [libc::sigaction; FATAL.len()],
}

/// Written once, before the first handler is installed: the handler's `get` is one atomic load.
static FATAL_STATE: OnceLock<Fatal> = OnceLock::new();

/// Calls `note` in the signal handler of each fatal signal, then lets the previous action have it. `note` may do only
/// async-signal-safe work. A second call changes nothing.
pub(crate) fn on_fatal_signals(note: fn(&Fault)) -> Result<(), Errno> {
    if FATAL_STATE.get().is_some() {
        return Ok(());
    }
    let mut previous = [plain_action(libc::SIG_DFL, 0); FATAL.len()];
    for (slot, signo) in previous.iter_mut().zip(FATAL) {
        *slot = action(signo)?;
    }
    if FATAL_STATE.set(Fatal { note, previous }).is_err() {
        return Ok(());
    }
    ensure_alternate_stack()?;
    let handler = on_fatal as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
    for signo in FATAL {
        set_action(
            signo,
            &plain_action(
                handler as libc::sighandler_t,
                libc::SA_SIGINFO | libc::SA_ONSTACK,
            ),
        )?;
    }
    Ok(())
}

/// Gives this thread an alternate signal stack unless it has one (std gives one to its own threads). Kept for ever.
fn ensure_alternate_stack() -> Result<(), Errno> {
    const BYTES: usize = 64 * 1024;
    let mut old = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: a null new stack only asks; the old one is written to a live local.
    check(unsafe { libc::sigaltstack(std::ptr::null(), old.as_mut_ptr()) })?;
    // SAFETY: a pointer and integers, zeroed above and then filled in.
    let old = unsafe { old.assume_init() };
    if old.ss_flags & libc::SS_DISABLE == 0 {
        return Ok(());
    }
    let memory: &'static mut [u8] = Box::leak(vec![0_u8; BYTES].into_boxed_slice());
    let new = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: BYTES,
    };
    // SAFETY: the memory is leaked, so it outlives this thread, and nothing else uses it.
    check(unsafe { libc::sigaltstack(&raw const new, std::ptr::null_mut()) })
}

extern "C" fn on_fatal(signo: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(state) = FATAL_STATE.get() else {
        return;
    };
    // SAFETY: the kernel passes a valid siginfo to an SA_SIGINFO handler, and nobody changes it while the handler runs.
    let info = unsafe { &*info };
    // SAFETY: reads the union's address member; the union's bytes are initialised, and any bytes are a valid pointer value.
    let address = unsafe { info.si_addr() } as usize;
    let stack_pointer = stack_pointer(context.cast());
    (state.note)(&Fault {
        signo,
        code: info.si_code,
        address,
        stack_pointer,
    });
    // A fault of the processor repeats when this returns, and then the previous action sees it with its own address.
    // Anything else (kill, a seccomp trap, a memory error noticed late) happened once. The runtime's handler, which takes
    // every signal for a fault, would swallow it: it gets the default action and is raised again, for delivery on return.
    let code = info.si_code;
    let repeats = code > 0
        && signo != libc::SIGSYS
        && !(signo == libc::SIGBUS && code == libc::BUS_MCEERR_AO);
    if repeats {
        let previous = state
            .previous
            .iter()
            .zip(FATAL)
            .find(|(_, fatal)| *fatal == signo);
        let _ = previous.map(|(previous, _)| set_action(signo, previous));
    } else {
        let _ = default_signal(signo);
        // SAFETY: takes no memory; async-signal-safe.
        unsafe { libc::raise(signo) };
    }
}

/// What the handler of SIGABRT saw of the thread that aborts.
pub(crate) struct Abort {
    /// The reason of its last failed call.
    pub(crate) last_error: Option<Errno>,
    /// The runtime's answer to a failed allocation is among its callers.
    pub(crate) in_allocation_error: bool,
}

/// Written once, before its handler is installed: the handler's `get` is one atomic load.
static ABORT_NOTE: OnceLock<fn(&Abort)> = OnceLock::new();

/// Calls `note` in the handler of SIGABRT, then lets the signal end the process. `note` may do only async-signal-safe work. A
/// second call changes nothing.
pub(crate) fn on_abort(note: fn(&Abort)) -> Result<(), Errno> {
    if ABORT_NOTE.set(note).is_err() {
        return Ok(());
    }
    let handler = on_abort_signal as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let action = plain_action(handler as libc::sighandler_t, flags);
    set_action(libc::SIGABRT, &action)
}

extern "C" fn on_abort_signal(signo: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: takes no memory; it gives the place of the interrupted thread's own error number.
    let last = unsafe { libc::__errno_location() };
    // SAFETY: every thread has a valid one.
    let last = unsafe { last.read() };
    if let Some(note) = ABORT_NOTE.get() {
        let entry = std::alloc::handle_alloc_error as fn(std::alloc::Layout) -> ! as usize;
        note(&Abort {
            last_error: (1..4096)
                .contains(&last)
                .then(|| Errno::from_raw_os_error(last)),
            in_allocation_error: is_caller(stack_pointer(context.cast()), entry),
        });
    }
    // Blocked until this returns, then delivered with the default action: also when another process sent it.
    let _ = default_signal(signo);
    // SAFETY: takes no memory; async-signal-safe.
    unsafe { libc::raise(signo) };
}

/// Whether the nearest 16 KiB of this thread's stack hold a return address into the first instructions of a function that never
/// returns: then it is running. No stack pointer is no answer, and neither is a function that was inlined.
fn is_caller(stack_pointer: usize, entry: usize) -> bool {
    const PAGE: usize = 4096;
    let first = stack_pointer.next_multiple_of(size_of::<usize>());
    let mut addresses = (first..first.saturating_add(4 * PAGE)).step_by(size_of::<usize>());
    if stack_pointer == 0 || !is_mapped(first / PAGE * PAGE) {
        return false;
    }
    addresses
        .by_ref()
        .take_while(|at| !at.is_multiple_of(PAGE) || is_mapped(*at))
        .any(|at| {
            let word = std::ptr::with_exposed_provenance::<usize>(at);
            // SAFETY: aligned, in a mapped page at or above this thread's stack pointer, so part of its own stack, which nobody
            // else writes while the handler runs on it.
            let word = unsafe { word.read_volatile() };
            word > entry && word - entry <= 32
        })
}

/// Whether there is memory at the start of a page.
fn is_mapped(page: usize) -> bool {
    let mut resident = 0_u8;
    let page = std::ptr::without_provenance_mut(page);
    // SAFETY: the call reads nothing at the address, and writes one byte for the one page to a live local.
    unsafe { libc::mincore(page, 1, &raw mut resident) == 0 }
}

#[cfg(target_arch = "x86_64")]
fn stack_pointer(context: *const libc::ucontext_t) -> usize {
    // SAFETY: the kernel passes a valid context to an SA_SIGINFO handler; RSP is one of the array's fixed indices.
    unsafe { (*context).uc_mcontext.gregs[libc::REG_RSP as usize] as usize }
}

#[cfg(target_arch = "aarch64")]
fn stack_pointer(context: *const libc::ucontext_t) -> usize {
    // SAFETY: the kernel passes a valid context to an SA_SIGINFO handler.
    unsafe { (*context).uc_mcontext.sp as usize }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn stack_pointer(_context: *const libc::ucontext_t) -> usize {
    0
}

/// A System V segment of `len` zero bytes, of this user alone; it stays until it is removed.
pub(crate) fn make_shm(len: usize) -> Result<i32, Errno> {
    // SAFETY: plain numbers.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, len, libc::IPC_CREAT | 0o600) };
    check(id).map(|()| id)
}

/// Maps a System V segment, readable and writable, where the kernel likes; unmapped by `munmap` like other memory.
pub(crate) fn attach_shm(id: i32) -> Result<NonNull<c_void>, Errno> {
    // SAFETY: a fresh address range of the kernel's choice: no memory of this process is replaced.
    let start = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    check(start as libc::c_long)?;
    NonNull::new(start).ok_or(Errno::INVAL)
}

/// The size a System V segment was made with, which nothing changes.
pub(crate) fn shm_len(id: i32) -> Result<usize, Errno> {
    let mut about = MaybeUninit::<libc::shmid_ds>::zeroed();
    // SAFETY: the pointer is to a live structure of the type the command fills in.
    check(unsafe { libc::shmctl(id, libc::IPC_STAT, about.as_mut_ptr()) })?;
    // SAFETY: plain integers, zeroed above and then filled in.
    Ok(unsafe { about.assume_init() }.shm_segsz)
}

/// Lets a System V segment go when nobody maps it any more. Linux still lets others map it until then.
pub(crate) fn remove_shm(id: i32) -> Result<(), Errno> {
    // SAFETY: this command does not look at the pointer.
    check(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) })
}

const _: () = assert!(
    size_of::<libc::pidfd_info>() >= 64,
    "PIDFD_GET_INFO takes at least its first version's 64 bytes"
);
