//! What a process finds around itself: its name, its parent, environment, directory, descriptors.

#[expect(dead_code, reason = "other test files need the rest")]
mod common;

use common::scenario;
use procession_worker::{Process, current_process, is_worker, parent_process};

procession_worker::init_before_main!();

fn who() -> (u32, String, bool, bool) {
    let me = current_process();
    (me.pid(), me.name().to_owned(), me.is_main(), is_worker())
}

/// PR02
#[test]
fn the_child_sees_what_the_parent_sees() {
    scenario(|| {
        fn echo(name: String, age: u8) -> (u32, String, String, u8) {
            (
                std::process::id(),
                current_process().name().to_owned(),
                name,
                age,
            )
        }
        let p = Process::builder()
            .name("echo")
            .spawn(echo, ("Ada".to_owned(), 36))
            .unwrap();
        let pid = p.pid();
        assert_eq!(
            p.into_result().unwrap(),
            (pid, "echo".to_owned(), "Ada".to_owned(), 36)
        );
    });
}

/// PR03
#[test]
fn names_are_unique_and_hierarchical() {
    scenario(|| {
        fn family() -> Vec<String> {
            let first = Process::spawn(who, ()).unwrap();
            let second = Process::spawn(who, ()).unwrap();
            let named = Process::builder().name("Ada").spawn(who, ()).unwrap();
            let names = vec![
                first.name().to_owned(),
                second.name().to_owned(),
                named.name().to_owned(),
            ];
            for (p, name) in [first, second, named].into_iter().zip(&names) {
                assert_eq!(&p.into_result().unwrap().1, name);
            }
            names
        }
        let p = Process::spawn(family, ()).unwrap();
        let parent = p.name().to_owned();
        assert!(parent.starts_with("Process-"));
        let names = p.into_result().unwrap();
        assert_eq!(
            names,
            [
                format!("{parent}:1"),
                format!("{parent}:2"),
                "Ada".to_owned()
            ]
        );
        let a = Process::spawn(|| (), ()).unwrap();
        let b = Process::spawn(|| (), ()).unwrap();
        assert_ne!(a.name(), b.name());
        a.join().unwrap();
        b.join().unwrap();
    });
}

/// PR05
#[test]
fn options_of_one_process_are_not_shared_with_another() {
    scenario(|| {
        let read = || std::env::var("PROCESS_TEST_ONLY").ok();
        let with = Process::builder()
            .name("with")
            .env("PROCESS_TEST_ONLY", "1")
            .spawn(read, ())
            .unwrap();
        let without = Process::builder().spawn(read, ()).unwrap();
        assert_ne!(without.name(), "with");
        assert_eq!(with.into_result().unwrap().as_deref(), Some("1"));
        assert_eq!(without.into_result().unwrap(), None);
    });
}

/// PR06
#[test]
fn each_process_knows_itself_and_its_parent() {
    scenario(|| {
        assert!(current_process().is_main() && !is_worker() && parent_process().is_none());
        fn look() -> (u32, String, bool, bool) {
            let parent = parent_process().unwrap();
            let alive = std::os::unix::process::parent_id() == parent.pid();
            (
                parent.pid(),
                parent.name().to_owned(),
                parent.is_main(),
                alive,
            )
        }
        let seen = Process::spawn(look, ()).unwrap().into_result().unwrap();
        let me = current_process();
        assert_eq!(seen, (me.pid(), me.name().to_owned(), true, true));
        let child = Process::spawn(who, ()).unwrap().into_result().unwrap();
        assert!(!child.2 && child.3);
    });
}

/// PR29
#[test]
fn environment_and_directory_are_the_child_s_alone() {
    scenario(|| {
        fn look() -> (Option<String>, Option<String>, usize, String) {
            let read = |key| std::env::var(key).ok();
            let directory = std::env::current_dir().unwrap().display().to_string();
            (
                read("PROCESS_TEST_A"),
                read("PATH"),
                std::env::vars_os().count(),
                directory,
            )
        }
        let here = std::env::current_dir().unwrap();
        let p = Process::builder()
            .env("PROCESS_TEST_A", "x y")
            .env_remove("PATH")
            .current_dir("/")
            .spawn(look, ());
        let (a, path, _, directory) = p.unwrap().into_result().unwrap();
        assert_eq!(
            (a.as_deref(), path, directory.as_str()),
            (Some("x y"), None, "/")
        );
        let p = Process::builder()
            .env("PROCESS_TEST_B", "lost")
            .env_clear()
            .env("PROCESS_TEST_A", "1")
            .spawn(look, ());
        let (a, path, count, _) = p.unwrap().into_result().unwrap();
        assert_eq!(
            (a.as_deref(), path, count),
            (Some("1"), None, 1),
            "and the marker is gone as well"
        );
        assert_eq!(std::env::var_os("PROCESS_TEST_A"), None);
        assert_eq!(std::env::current_dir().unwrap(), here);
    });
}

/// PR32
#[test]
fn the_child_s_thread_is_another_one() {
    scenario(|| {
        fn thread_id() -> i32 {
            rustix::thread::gettid().as_raw_nonzero().get()
        }
        let theirs = Process::spawn(thread_id, ())
            .unwrap()
            .into_result()
            .unwrap();
        assert_ne!(theirs, thread_id());
    });
}

/// FAULTS 53: stdin of a process is empty, whatever the parent's is.
#[test]
fn stdin_is_empty() {
    scenario(|| {
        let read = || std::io::read_to_string(std::io::stdin()).unwrap();
        assert_eq!(Process::spawn(read, ()).unwrap().into_result().unwrap(), "");
    });
}

/// No descriptor of the parent reaches the child but its outputs, and the wire is none of them.
#[test]
fn a_child_starts_with_no_descriptor_of_its_parent() {
    scenario(|| {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let leaky = rustix::io::dup(&file).unwrap(); // without close-on-exec
        fn open() -> Vec<String> {
            let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            fds.filter_map(|fd| std::fs::read_link(fd.path()).ok())
                .map(|to| to.display().to_string())
                .collect()
        }
        let open = Process::spawn(open, ()).unwrap().into_result().unwrap();
        let own = std::fs::read_link("/proc/self/exe")
            .unwrap()
            .display()
            .to_string();
        assert!(!open.contains(&own), "{open:?}");
        assert_eq!(
            open.iter().filter(|to| to.starts_with("socket:")).count(),
            1,
            "{open:?}"
        );
        drop(leaky);
    });
}
