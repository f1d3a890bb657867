//! The README's example is the program `readme`, and what the documents name exists. Their other code is compiled by the documentation tests.

mod support;

use std::{fs, path::Path};

use support::program;

const README: &str = include_str!("../../README.md");
const FROM_PYTHON: &str = include_str!("../../docs/from-python.md");
const COMPARE: &str = include_str!("../../docs/compare.md");
const CHOOSING: &str = include_str!("../../docs/choosing.md");

#[test]
fn the_readme_example_is_the_program() {
    let source = include_str!("../src/bin/readme.rs");
    let (header, code) = source.split_once("\n\n").unwrap();
    assert!(header.lines().all(|line| line.starts_with("//!")));
    assert!(
        README.contains(code),
        "README.md does not contain, word for word:\n{code}"
    );

    let ended = program(env!("CARGO_BIN_EXE_readme")).run().code(0);
    assert_eq!(ended.stdout, "[1, 4, 9, 16, 25, 36, 49, 64, 81, 100]\n");
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (text, base) in [
        (README, root.to_path_buf()),
        (FROM_PYTHON, root.join("docs")),
        (COMPARE, root.join("docs")),
        (CHOOSING, root.join("docs")),
    ] {
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(base.join(path).exists(), "a link leads nowhere: {link}");
        }
    }
}

#[test]
fn every_program_of_the_tutorial_is_in_the_guide() {
    let programs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin")).unwrap();
    for entry in programs {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let link = format!("../examples/src/bin/{name}");
        assert!(
            FROM_PYTHON.contains(&link) || name == "readme.rs",
            "docs/from-python.md does not link to {link}"
        );
    }
}

/// Code without its white space, commas that only end a broken line included: how rustfmt breaks lines does not matter.
fn dense(code: &str) -> String {
    let joined: String = code
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    joined.replace(",)", ")").replace(",}", "}")
}

#[test]
fn the_lines_beside_pythons_are_lines_of_the_programs() {
    let mut checked = 0;
    for section in FROM_PYTHON
        .split("\n## ")
        .filter(|section| section.contains("](../examples/src/bin/"))
    {
        let path = section
            .split("](../")
            .nth(1)
            .and_then(|rest| rest.split(')').next())
            .unwrap();
        let source = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .parent()
                .unwrap()
                .join(path),
        )
        .unwrap();
        for row in section
            .lines()
            .filter(|line| line.starts_with("| ") && line.ends_with("` |"))
        {
            let Some((_, code)) = row.trim_end_matches("` |").rsplit_once(" | `") else {
                continue;
            };
            let code = code.replace("\\|", "|");
            assert!(
                dense(&source).contains(&dense(&code)),
                "{path} has no {code}"
            );
            checked += 1;
        }
    }
    assert!(checked > 25, "only {checked} lines were compared");
}
