//! `survey`, the main job: what it prints for a known tree, and that neither the number of workers nor their order shows.

mod support;

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use serde_json::Value;
use support::{Ended, Folder, Program, program};

fn survey() -> Program {
    program(env!("CARGO_BIN_EXE_survey"))
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// Three texts, of which two are equal, a binary, an empty file, a hard link, a symbolic link.
fn tree() -> Folder {
    let folder = Folder::new();
    folder
        .file("a.txt", "one two\nthree\n")
        .file("deep/er/b.txt", "one two\nthree\n")
        .file("c.md", "the longest line of all\nend")
        .file("data.bin", [0, 1, 2, 3])
        .file("empty", "");
    fs::hard_link(
        folder.path().join("c.md"),
        folder.path().join("deep/hard.md"),
    )
    .unwrap();
    symlink("a.txt", folder.path().join("link.txt")).unwrap();
    folder
}

#[test]
fn a_known_tree_has_a_known_summary() {
    let folder = tree();
    // A file in a folder can be met before or after its other name: only one of them is in the table, under "md" both.
    let expected = "\
5 files in 3 folders, 59 B; 1 links not followed; 1 further names of the same files

extension                   files        bytes        lines        words
txt                             2         28 B            4            6
md                              1         27 B            2            6
bin                             1          4 B            -            -
(none)                          1          0 B            0            0
total                           5         59 B            6           12

longest line   23 bytes, ./c.md:1

duplicates     1 groups, 14 B to spare
  2 x 14 B
    ./a.txt
    ./deep/er/b.txt
";
    for workers in ["0", "1", "2", "7"] {
        let ended = survey()
            .args(["-w", workers])
            .current_dir(folder.path())
            .run()
            .code(0);
        assert_eq!(
            ended.stdout.replace("./deep/hard.md", "./c.md"),
            expected,
            "with {workers} workers"
        );
        assert!(
            !ended.stderr.contains('\u{1b}'),
            "no bar where there is no terminal: {ended:?}"
        );
        assert!(
            ended
                .stderr
                .contains(&format!("begins with {workers} workers")),
            "{ended:?}"
        );
    }
}

#[test]
fn json_has_everything() {
    let folder = tree();
    let ended = survey()
        .args(["--json", "."])
        .current_dir(folder.path())
        .run()
        .code(0);
    let value = json(&ended);
    assert_eq!(
        value["total"],
        serde_json::json!({ "files": 5, "bytes": 59, "texts": 4, "lines": 6, "words": 12 })
    );
    assert_eq!(
        (&value["folders"], &value["links_not_followed"]),
        (&3.into(), &1.into())
    );
    assert_eq!(
        value["duplicates"][0]["paths"],
        serde_json::json!(["./a.txt", "./deep/er/b.txt"])
    );
    let hash = blake3::hash(b"one two\nthree\n").to_hex();
    assert_eq!(value["duplicates"][0]["blake3"], hash.as_str());
    assert_eq!(value["not_read"], serde_json::json!([]));
}

#[test]
fn thousands_of_files_are_each_counted_once() {
    let folder = Folder::new();
    let mut bytes = 0;
    for number in 0..3000_usize {
        let contents = format!("{number}\n").repeat(number % 50);
        bytes += contents.len();
        folder.file(format!("{}/{number}.txt", number % 37), contents);
    }
    let ended = survey()
        .args(["--json", "-w", "4"])
        .arg_path(&folder)
        .run()
        .code(0);
    let value = json(&ended);
    assert_eq!(value["total"]["files"], 3000);
    assert_eq!(value["total"]["bytes"], bytes);
    assert_eq!(
        value["total"]["lines"],
        (0..3000_usize).map(|number| number % 50).sum::<usize>()
    );
    assert_eq!(value["folders"], 38);
    assert_eq!(
        value["duplicates"],
        serde_json::json!([]),
        "60 empty files are no duplicates"
    );
}

#[test]
fn large_files_are_read_whole() {
    let folder = Folder::new();
    for name in ["one", "two"] {
        fs::File::create(folder.path().join(name))
            .unwrap()
            .set_len(9 << 20)
            .unwrap();
    }
    folder.file("text.txt", "word\n".repeat(1 << 20));
    let ended = survey().args(["--json"]).arg_path(&folder).run().code(0);
    let value = json(&ended);
    assert_eq!(value["total"]["bytes"], (18 << 20) + (5 << 20));
    assert_eq!(value["total"]["words"], 1 << 20);
    assert_eq!(value["duplicates"][0]["bytes"], 9 << 20);
}

#[test]
fn overlapping_roots_are_read_once() {
    let folder = tree();
    let ended = survey()
        .args(["--json", ".", "deep", "a.txt"])
        .current_dir(folder.path())
        .run()
        .code(0);
    let value = json(&ended);
    assert_eq!(value["total"]["files"], 5);
    assert_eq!(value["further_names"], 4);
}

#[test]
fn a_link_given_by_name_is_followed() {
    let folder = tree();
    let ended = survey()
        .args(["--json", "link.txt"])
        .current_dir(folder.path())
        .run()
        .code(0);
    assert_eq!(json(&ended)["total"]["bytes"], 14);
}

#[test]
fn skipped_names_are_left_out() {
    let folder = tree();
    let ended = survey()
        .args(["--json", "--skip", "deep", "--skip=c.md"])
        .current_dir(folder.path())
        .run()
        .code(0);
    let value = json(&ended);
    let names: BTreeSet<&str> = value["extensions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["extension"].as_str())
        .collect();
    assert_eq!(names, BTreeSet::from(["txt", "bin"]));
}

#[test]
fn its_own_source_is_counted_as_by_hand() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut bytes, mut lines, mut words) = (0, 0, 0, 0);
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = fs::read_to_string(entry.path()).unwrap();
            files += 1;
            bytes += text.len();
            lines += text.lines().count();
            words += text.split_ascii_whitespace().count();
        }
    }
    let ended = survey().args(["--json"]).args([source]).run().code(0);
    let expected = serde_json::json!({ "files": files, "bytes": bytes, "texts": files, "lines": lines, "words": words });
    assert_eq!(json(&ended)["total"], expected);
}

#[test]
fn an_empty_tree_is_no_error() {
    let folder = Folder::new();
    let ended = survey().arg_path(&folder).run().code(0);
    assert_eq!(
        ended.stdout,
        "0 files in 1 folders, 0 B\n\nduplicates     none\n"
    );
}

#[test]
fn the_command_line_is_explained() {
    let help = survey().args(["--help"]).run().code(0);
    assert!(
        help.stdout.contains("Usage: survey") && help.stdout.contains("Exit codes:"),
        "{help:?}"
    );
    let version = survey().args(["-V"]).run().code(0);
    assert_eq!(
        version.stdout,
        concat!("survey ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for wrong in [
        &["--colour"][..],
        &["--workers"],
        &["--workers", "many"],
        &["--json=yes"],
        &["-x"],
    ] {
        let ended = survey().args(wrong).run().code(2);
        assert!(
            ended.stdout.is_empty() && ended.stderr.starts_with("survey: "),
            "{ended:?}"
        );
    }
}

trait ArgPath {
    fn arg_path(self, folder: &Folder) -> Self;
}

impl ArgPath for Program {
    fn arg_path(self, folder: &Folder) -> Self {
        self.args([folder.path()])
    }
}
