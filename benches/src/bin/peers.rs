//! The same work on other systems, side by side: `peers --help`. Must stay the only place that knows the command line.
//!
//! Each side is a program of its own beside it (`lane-ours`, …), which links no other side: what starts is the image.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use procession_benches::runner::{self, Images, Options, Results};
use procession_benches::works::{SIDES, WORKS};
use procession_benches::{sides, table, tasks};

const HELP: &str = "\
The same work on procession and on other systems, in alternating rounds, as ratios against the targets.

    peers [--quick] [--rounds N] [--save] [--python PATH] [--before PATH] [--work ID]... [--side ID]... [--calm SECONDS] [--seed N] [--note TEXT] [--json]

--quick        small counts and 3 rounds (about a minute) instead of 5
--save         write a dated JSON and Markdown file to docs/benchmarks/runs/
--python PATH  the Python whose modules are measured (default: python3); missing modules are reported, not fatal
--before PATH  the `peers` binary of another build of the project takes part as a side of its own
--work ID      only this work; may be repeated    --side ID  only this side; may be repeated
--calm SECONDS wait up to this long before each measurement until other programs leave the processors alone
--note TEXT    a remark on the circumstances, kept in what is saved
--json         print all samples as JSON instead of tables
--list         print the ids of works and sides
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    sides::ended("peers", compare(&args))
}

/// What the command line asks for beyond the run itself.
struct Wishes {
    options: Options,
    save: bool,
    json: bool,
    note: String,
    help: Option<String>,
}

fn compare(args: &[String]) -> Result<(), String> {
    let wishes = parse(args)?;
    if let Some(text) = wishes.help {
        print!("{text}");
        return Ok(());
    }
    let mut results = runner::run(&wishes.options)?;
    results.note = wishes.note;
    let text = format!("{}\n{}", table::heading(&results), table::report(&results));
    let json = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
    println!("{}", if wishes.json { &json } else { &text });
    if wishes.save {
        save(&results, &text, &json)
    } else {
        Ok(())
    }
}

fn parse(args: &[String]) -> Result<Wishes, String> {
    let mut options = Options {
        quick: false,
        rounds: 0,
        seed: tasks::monotonic_ns(),
        images: Images {
            python: PathBuf::from("python3"),
            before: None,
        },
        calm: Duration::ZERO,
        works: Vec::new(),
        sides: Vec::new(),
    };
    let (mut save, mut json, mut help, mut note) = (false, false, None, String::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || {
            rest.next()
                .cloned()
                .ok_or_else(|| format!("{arg} needs a value"))
        };
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--save" => save = true,
            "--json" => json = true,
            "--note" => note = value()?,
            "--rounds" => options.rounds = number(&value()?)? as usize,
            "--seed" => options.seed = number(&value()?)?,
            "--calm" => options.calm = Duration::from_secs(number(&value()?)?),
            "--python" => options.images.python = PathBuf::from(value()?),
            "--before" => options.images.before = Some(PathBuf::from(value()?)),
            "--work" => options
                .works
                .push(known(value()?, WORKS.iter().map(|work| work.id))?),
            "--side" => options
                .sides
                .push(known(value()?, SIDES.iter().map(|side| side.id))?),
            "--list" => help = Some(list()),
            "--help" | "-h" => help = Some(HELP.to_string()),
            other => return Err(format!("{other} is not known\n\n{HELP}")),
        }
    }
    if options.rounds == 0 {
        options.rounds = if options.quick { 3 } else { 5 };
    }
    Ok(Wishes {
        options,
        save,
        json,
        note,
        help,
    })
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn known(id: String, ids: impl Iterator<Item = &'static str> + Clone) -> Result<String, String> {
    if ids.clone().any(|known| known == id) {
        return Ok(id);
    }
    Err(format!(
        "{id} is none of: {}",
        ids.collect::<Vec<_>>().join(", ")
    ))
}

fn list() -> String {
    let works = WORKS
        .iter()
        .map(|work| format!("work {:<20} {}\n", work.id, work.title));
    works
        .chain(
            SIDES
                .iter()
                .map(|side| format!("side {:<20} {}\n", side.id, side.title)),
        )
        .collect()
}

fn save(results: &Results, text: &str, json: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks/runs");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let stem = format!("peers-{}-{}", results.date, results.time.replace(':', ""));
    for (ending, content) in [("json", json), ("md", text)] {
        let path = folder.join(format!("{stem}.{ending}"));
        std::fs::write(&path, content)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        eprintln!("saved docs/benchmarks/runs/{stem}.{ending}");
    }
    Ok(())
}
