//! Sealed files as slices: what may be mapped, and that nobody can change it afterwards.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use procession_os::{Sealed, Segment, memfd_with};
use rustix::fs::{MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create};

fn memfd(bytes: &[u8], seals: SealFlags) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    rustix::io::write(&fd, bytes).unwrap();
    fcntl_add_seals(&fd, seals).unwrap();
    fd
}

#[test]
fn only_what_is_sealed_against_writing_and_shrinking_is_mapped() {
    for seals in [
        SealFlags::empty(),
        SealFlags::WRITE,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        // Its maker may still write through a mapping it has.
        SealFlags::FUTURE_WRITE | SealFlags::SHRINK | SealFlags::GROW,
    ] {
        let error = Sealed::open(memfd(b"bytes", seals).as_fd()).unwrap_err();
        assert!(
            error.to_string().contains("not sealed"),
            "{seals:?}: {error}"
        );
    }
    let sealed = memfd(b"bytes", SealFlags::WRITE | SealFlags::SHRINK);
    assert_eq!(&*Sealed::open(sealed.as_fd()).unwrap(), b"bytes");
}

#[test]
fn what_is_no_memfd_is_refused() {
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(Sealed::open(one.as_fd()).is_err());
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    assert!(Sealed::open(file.as_fd()).is_err());
    let link = Segment::create("link", 4096).unwrap();
    assert!(Sealed::open(link.fd().unwrap()).is_err());
}

#[test]
fn nobody_can_change_what_is_mapped() {
    let fd = memfd_with("test", &[7; 10_000]).unwrap();
    let sealed = Sealed::open(fd.as_fd()).unwrap();
    assert!(rustix::io::pwrite(&fd, b"x", 0).is_err());
    assert!(ftruncate(&fd, 1).is_err());
    let hole = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    assert!(fallocate(&fd, hole, 0, 4096).is_err());
    // Opened anew for writing it takes no write either.
    let again = std::fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    assert!(again.is_err() || rustix::io::pwrite(again.unwrap(), b"x", 0).is_err());
    assert!(sealed.iter().all(|byte| *byte == 7));
    assert_eq!(sealed.len(), 10_000);
}

#[test]
fn nothing_is_mapped_for_nothing_and_unmapped_at_the_end() {
    let maps = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.matches("/memfd:sealed-test").count()
    };
    let empty = memfd_with("sealed-test", b"").unwrap();
    assert_eq!(&*Sealed::open(empty.as_fd()).unwrap(), b"");
    let fd = memfd_with("sealed-test", b"x").unwrap();
    let sealed = Sealed::open(fd.as_fd()).unwrap();
    drop(fd);
    assert_eq!((maps(), &*sealed), (1, &b"x"[..]));
    drop(sealed);
    assert_eq!(maps(), 0);
}
