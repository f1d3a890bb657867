//! A segment's size is fixed for good, whoever tries to change it, and nothing is mapped that is not so.

mod support;

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use procession_os::sync::Ordering;
use procession_os::{Received, Segment, Socket, memfd_with, prologue, read_all};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const BYTES: usize = 260 * 1024;

fn main() {
    support::main(
        &[
            ("size_is_sealed", size_is_sealed),
            (
                "unsealed_or_wrong_files_are_refused",
                unsealed_or_wrong_files_are_refused,
            ),
            (
                "peer_shares_the_memory_and_cannot_truncate_it",
                peer_shares_the_memory_and_cannot_truncate_it,
            ),
            ("punched_hole_reads_as_zero", punched_hole_reads_as_zero),
            ("views_keep_the_memory_mapped", views_keep_the_memory_mapped),
            (
                "file_size_limit_is_an_error_not_a_signal",
                file_size_limit_is_an_error_not_a_signal,
            ),
            (
                "bad_names_and_sizes_are_errors",
                bad_names_and_sizes_are_errors,
            ),
            ("memfd_with_cannot_be_changed", memfd_with_cannot_be_changed),
            (
                "only_whole_regular_files_are_read",
                only_whole_regular_files_are_read,
            ),
        ],
        &[("hostile", hostile)],
    );
}

/// Maps the segment it is given, writes into it, tries to pull the memory away, and reports each attempt's error.
fn hostile() {
    let control = Socket::from_fd(prologue::take_control_fd().unwrap());
    let Received::Packet { mut fds, .. } = control.recv(1).unwrap() else {
        panic!("closed")
    };
    let fd = fds.pop().unwrap();
    let attempts = [
        ftruncate(&fd, 0),
        ftruncate(&fd, 2 * BYTES as u64),
        fcntl_add_seals(&fd, SealFlags::FUTURE_WRITE),
    ];
    let segment = Arc::new(Segment::open(fd, BYTES).unwrap());
    segment
        .words(0, 1)
        .unwrap()
        .at(0)
        .store(42, Ordering::Release);
    let report: Vec<u8> = attempts
        .iter()
        .map(|attempt| u8::from(*attempt == Err(Errno::PERM)))
        .collect();
    control.send(&report, &[]).unwrap();
}

fn copy(segment: &Segment) -> OwnedFd {
    segment.fd().unwrap().try_clone_to_owned().unwrap()
}

fn size_is_sealed() {
    let segment = Segment::create("sealed", BYTES).unwrap();
    let seals = fcntl_get_seals(segment.fd().unwrap()).unwrap();
    assert!(
        seals.contains(SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL),
        "{seals:?}"
    );
    assert_eq!(ftruncate(segment.fd().unwrap(), 0), Err(Errno::PERM));
    assert_eq!(
        ftruncate(segment.fd().unwrap(), 2 * BYTES as u64),
        Err(Errno::PERM)
    );
    assert!(
        rustix::io::fcntl_getfd(segment.fd().unwrap())
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
}

fn unsealed_or_wrong_files_are_refused() {
    let sealed = Segment::create("sealed", BYTES).unwrap();
    for wrong in [BYTES - 1, BYTES + 1, 0, usize::MAX] {
        let error = Segment::open(copy(&sealed), wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the received segment has {BYTES} bytes, {wrong} were announced")
        );
    }

    let unsealed =
        memfd_create("unsealed", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&unsealed, 4096).unwrap();
    fcntl_add_seals(&unsealed, SealFlags::GROW).unwrap();
    let error = Segment::open(unsealed, 4096).unwrap_err();
    assert!(error.to_string().contains("is not sealed"), "{error}");

    let file = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
    let error = Segment::open(file, 4096).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the received segment is no memfd"),
        "{error}"
    );

    let read_only = memfd_with("constant", &[0; 4096]).unwrap();
    let error = Segment::open(read_only, 4096).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot map a segment"),
        "{error}"
    );
}

fn peer_shares_the_memory_and_cannot_truncate_it() {
    let segment = Arc::new(Segment::create("shared", BYTES).unwrap());
    let (started, socket) = support::start("hostile", |_| {});
    socket.send(b"map this", &[segment.fd().unwrap()]).unwrap();
    let Received::Packet { bytes, .. } = socket.recv(0).unwrap() else {
        panic!("the peer failed")
    };
    assert_eq!(
        bytes,
        [1, 1, 1],
        "truncate to 0, to twice the size, another seal: each refused"
    );
    assert!(started.child.wait().unwrap().success());
    let words = segment.words(0, BYTES / 8).unwrap();
    assert_eq!(words.at(0).load(Ordering::Acquire), 42);
    assert_eq!(words.at(BYTES / 8 - 1).load(Ordering::Acquire), 0);
}

fn punched_hole_reads_as_zero() {
    let segment = Arc::new(Segment::create("punched", BYTES).unwrap());
    let words = segment.words(0, BYTES / 8).unwrap();
    words.at(1024).store(7, Ordering::Relaxed);
    let mode = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(segment.fd().unwrap(), mode, 0, BYTES as u64).unwrap();
    assert_eq!(words.at(1024).load(Ordering::Relaxed), 0);
}

fn views_keep_the_memory_mapped() {
    let mut segment = Segment::create("kept", 4096).unwrap();
    segment.close_fd();
    let words = Arc::new(segment).words(8, 511).unwrap();
    words.at(510).store(1, Ordering::Relaxed);
    assert_eq!(words.at(510).load(Ordering::Relaxed), 1);
}

fn file_size_limit_is_an_error_not_a_signal() {
    let before = getrlimit(Resource::Fsize);
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: Some(4096),
            ..before
        },
    )
    .unwrap();
    let outcomes = (
        Segment::create("large", 8192),
        memfd_with("large", &[0; 8192]),
        Segment::create("small", 4096),
    );
    setrlimit(Resource::Fsize, before).unwrap();
    assert!(outcomes.0.unwrap().id().is_some(), "no file, so no limit");
    assert_eq!(outcomes.1.unwrap_err().raw_os_error(), Some(27));
    assert!(outcomes.2.unwrap().fd().is_some());
}

fn bad_names_and_sizes_are_errors() {
    assert!(Segment::create("empty", 0).is_err());
    assert!(Segment::create("nul\0byte", 64).is_err());
    assert!(Segment::create(&"x".repeat(300), 64).is_err());
    assert!(Segment::create("endless", usize::MAX).is_err());
    let segment = Arc::new(Segment::create("small", 64).unwrap());
    for (offset, count) in [
        (64, 1),
        (0, 9),
        (8, usize::MAX),
        (usize::MAX - 7, 1),
        (1, 1),
    ] {
        assert!(segment.words(offset, count).is_err(), "{offset} {count}");
    }
    assert_eq!(segment.words(64, 0).unwrap().len(), 0);
}

fn memfd_with_cannot_be_changed() {
    for size in [0, 1, 4096, 300_000] {
        let bytes = vec![7; size];
        let fd = memfd_with("constant", &bytes).unwrap();
        assert_eq!(rustix::io::pwrite(&fd, b"x", 0), Err(Errno::PERM));
        assert_eq!(read_all(fd.as_fd(), size as u64).unwrap(), bytes);
        assert_eq!(read_all(fd.as_fd(), u64::MAX).unwrap(), bytes);
        if let Some(less) = (size as u64).checked_sub(1) {
            assert!(read_all(fd.as_fd(), less).is_err());
        }
    }
}

fn only_whole_regular_files_are_read() {
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    let error = read_all(reader.as_fd(), 100).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a received descriptor is no regular file"
    );
    // A sparse file can announce any size: it is refused by the limit, or by memory, before anything is allocated.
    let sparse = memfd_create("sparse", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&sparse, 1 << 60).unwrap();
    assert!(read_all(sparse.as_fd(), 1 << 20).is_err());
    assert_eq!(
        read_all(sparse.as_fd(), u64::MAX).unwrap_err().io_kind(),
        std::io::ErrorKind::OutOfMemory
    );
}
