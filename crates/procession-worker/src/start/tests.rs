//! A hello that is not exactly what this start expects is refused, and the error says why.

use procession_task::descriptor;
use procession_task::message::{FromWorker, MAGIC, PROTOCOL_VERSION};

use super::{check_hello, is_gone};

fn hello(magic: u64, version: u16, nonce: u64, build_id: Vec<u8>) -> FromWorker {
    FromWorker::Hello {
        magic,
        version,
        nonce,
        build_id,
        pid: 1,
    }
}

#[test]
fn only_the_right_hello_is_accepted() {
    let own = descriptor::build_id();
    let check = |message: FromWorker| check_hello(&message, 7).map_err(|error| error.to_string());
    assert_eq!(
        check(hello(MAGIC, PROTOCOL_VERSION, 7, own.clone())),
        Ok(())
    );
    let refused = |message, why: &str| {
        let error = check(message).unwrap_err();
        assert!(error.contains(why), "{error}");
    };
    refused(FromWorker::Ready, "first message is not its hello");
    refused(hello(1, PROTOCOL_VERSION, 7, own.clone()), "speaks version");
    refused(
        hello(MAGIC, PROTOCOL_VERSION + 1, 7, own.clone()),
        "speaks version",
    );
    refused(hello(MAGIC, PROTOCOL_VERSION, 8, own), "another start");
    refused(
        hello(MAGIC, PROTOCOL_VERSION, 7, vec![0xab, 1]),
        "another build of the program (ab01)",
    );
}

#[test]
fn a_child_that_is_gone_is_told_from_a_failed_send() {
    use rustix::io::Errno;
    let error = |errno| procession_os::Error::new("send", errno);
    assert!(is_gone(&error(Errno::PIPE)) && is_gone(&error(Errno::CONNRESET)));
    assert!(!is_gone(&error(Errno::TOOMANYREFS)));
}
