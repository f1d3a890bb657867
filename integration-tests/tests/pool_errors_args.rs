//! Errors that tell the arguments: only when asked, only so much of them, and those of the item that failed.

use std::sync::mpsc;

use procession::{Pool, TaskError, TaskErrorKind};
use procession_integration_tests::pool_scene::{error_of, finish, scene, warm};

procession::init_before_main!();

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Page {
    url: String,
    depth: u32,
}

fn refuse(page: Page) {
    panic!("no {}", page.url.len());
}

fn page(url: &str) -> Page {
    Page {
        url: url.into(),
        depth: 2,
    }
}

const TEXT: &str = r#"(Page { url: "a\nb", depth: 2 })"#;

/// HY09
#[test]
fn error_shows_the_arguments_when_asked() {
    scene(|| {
        let pool = warm(1);
        let silent = pool.apply(refuse, (page("a\nb"),)).unwrap_err();
        assert_eq!(silent.args(), None);
        assert!(!silent.to_string().contains("Page"), "{silent}");

        let call = pool.call(refuse).describe_args();
        let error = error_of(call.apply((page("a\nb"),)), TaskErrorKind::Panicked);
        assert_eq!(error.args(), Some(TEXT));
        assert!(error.to_string().contains(TEXT), "{error}");
        // A death, too, and with what was tried.
        let dies = pool.call(|_: Page, code: i32| -> u8 { std::process::exit(code) });
        let error = dies
            .retries(1)
            .describe_args()
            .apply((page(""), 5))
            .unwrap_err();
        let args = r#"(Page { url: "", depth: 2 }, 5)"#;
        assert_eq!((error.args(), error.attempts()), (Some(args), 2));
        finish(pool);
    });
}

/// HY09
#[test]
fn text_of_large_arguments_is_cut() {
    scene(|| {
        let pool = warm(1);
        let call = pool
            .call(|data: Vec<u8>| assert!(data.is_empty()))
            .describe_args();
        let error = call.apply((vec![7; 10_000_000],)).unwrap_err();
        let text = error.args().expect("arguments");
        assert_eq!(text.chars().count(), 201);
        assert!(
            text.starts_with("([7, 7, 7,") && text.ends_with('…'),
            "{text}"
        );
        finish(pool);
    });
}

/// HY09
#[test]
fn items_show_their_own_arguments() {
    scene(|| {
        let pool = warm(2);
        let seventh = |n: u32| assert_ne!(n % 7, 0);
        let expected = |n: usize| (Some(n - 1), Some(format!("({n})")));
        let call = pool.call(seventh).describe_args();
        let told = |e: TaskError| (e.item(), e.args().map(String::from));

        let each = call.try_map(1..30);
        let told_of: Vec<_> = each.into_iter().filter_map(Result::err).map(told).collect();
        assert_eq!(told_of, [7, 14, 21, 28].map(expected));
        let streamed = call.imap(1..30).filter_map(Result::err).map(told);
        assert_eq!(streamed.collect::<Vec<_>>(), [7, 14, 21, 28].map(expected));
        let error = call.chunk_size(4).map(1..10).unwrap_err();
        assert_eq!(told(error), expected(7));
        let error = pool.call(seventh).describe_args().map_async(1..10).get();
        assert_eq!(told(error.unwrap_err()), expected(7));
        let pairs = pool.call(|a: u32, b: u32| a / b).describe_args();
        let error = pairs.starmap([(1, 1), (4, 0)]).unwrap_err();
        assert_eq!(error.args(), Some("(4, 0)"));
        finish(pool);
    });
}

#[test]
fn callbacks_and_inline_pools_see_them_too() {
    scene(|| {
        let pool = warm(1);
        let (told, tells) = mpsc::channel();
        let handle = pool
            .call(refuse)
            .describe_args()
            .on_complete(move |r: &Result<(), TaskError>| told.send(r.clone()).unwrap())
            .apply_async((page("a\nb"),));
        let error = tells.recv().unwrap().unwrap_err();
        assert_eq!(error.args(), Some(TEXT));
        assert_eq!(handle.get().unwrap_err().args(), Some(TEXT));
        finish(pool);
        let inline = Pool::new(0).unwrap();
        let call = inline.call(refuse).describe_args();
        assert_eq!(call.apply((page("a\nb"),)).unwrap_err().args(), Some(TEXT));
        let each = call.try_map([page("x"), page("a\nb")]);
        assert_eq!(each[1].as_ref().unwrap_err().args(), Some(TEXT));
        let error = call.imap([page("a\nb")]).next().unwrap().unwrap_err();
        assert_eq!(error.args(), Some(TEXT));
    });
}
