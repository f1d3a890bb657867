//! Grouping points in many passes: each part of them stays with the worker that has read it, and a pass sends the centres only.
//!
//! Without `sticky` every worker would sooner or later read every part. In Python this is mpire's `order_tasks=True`.
//!
//! cargo run -p procession-examples --bin k_means

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use procession::{Pool, with_state};
use serde::{Deserialize, Serialize};

const PARTS: usize = 12;

type Point = (f64, f64);

/// The points that are nearest to one centre: how many, and the sums of their coordinates.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Group {
    points: u32,
    x: f64,
    y: f64,
}

/// What a worker has read. It stays there: nothing of it is ever sent.
#[derive(Default)]
struct Cache {
    parts: HashMap<PathBuf, Vec<Point>>,
    read: usize,
}

fn nearest(cache: &mut Cache, part: PathBuf, centres: Vec<Point>) -> Vec<Group> {
    let points = cache.parts.entry(part).or_insert_with_key(|part| {
        cache.read += 1;
        points_of(part)
    });
    let mut groups = vec![Group::default(); centres.len()];
    for (x, y) in points {
        let distance = |centre: &Point| (centre.0 - *x).hypot(centre.1 - *y);
        let each = centres.iter().map(distance).zip(&mut groups);
        if let Some((_, group)) = each.min_by(|a, b| a.0.total_cmp(&b.0)) {
            group.points += 1;
            group.x += *x;
            group.y += *y;
        }
    }
    groups
}

fn points_of(part: &Path) -> Vec<Point> {
    let text = fs::read_to_string(part).expect("a part can be read");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(x, y)| (number(x), number(y))).collect()
}

/// Passes over all parts until no centre moves any more; the centres, and how many passes that took.
fn group(pool: &Pool, parts: &[PathBuf]) -> Result<(Vec<Point>, u32), Box<dyn Error>> {
    let mut centres = vec![(0.0, 0.0), (0.0, 10.0), (10.0, 0.0)];
    let call = pool.call(with_state(nearest)).sticky();
    for pass in 1..100 {
        let each = call.starmap(parts.iter().map(|part| (part.clone(), centres.clone())))?;
        let centre = |index: usize| {
            let sum = |sum: Group, part: &Vec<Group>| Group {
                points: sum.points + part[index].points,
                x: sum.x + part[index].x,
                y: sum.y + part[index].y,
            };
            let Group { points, x, y } = each.iter().fold(Group::default(), sum);
            (x / f64::from(points.max(1)), y / f64::from(points.max(1)))
        };
        let moved: Vec<_> = (0..centres.len()).map(centre).collect();
        if moved == centres {
            return Ok((centres, pass));
        }
        centres = moved;
    }
    Err("the centres still move after 99 passes".into())
}

/// Three heaps of points, each spread over all parts.
fn write_part(folder: &Path, part: usize) -> io::Result<PathBuf> {
    let mut seed = part as u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 40) as f64 / f64::from(1 << 19) // 0 to 32
    };
    let line = |n: usize| {
        let (x, y) = [(0.0, 0.0), (10.0, 30.0), (40.0, 10.0)][n % 3];
        format!("{} {}\n", x + random(), y + random())
    };
    let path = folder.join(format!("part-{part}"));
    fs::write(&path, (0..3_000).map(line).collect::<String>())?;
    Ok(path)
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let folder = std::env::temp_dir().join(format!("k_means-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let parts: Vec<PathBuf> = (0..PARTS)
        .map(|part| write_part(&folder, part))
        .collect::<io::Result<_>>()?;

    let pool = Pool::builder()
        .workers(3)
        .state(Cache::default, ())
        .exit_hook(with_state(|cache: &mut Cache| cache.read), ())
        .build()?;
    let (centres, passes) = group(&pool, &parts)?;
    pool.close();
    pool.join()?;
    let read: usize = pool
        .exit_results::<usize>()
        .into_iter()
        .sum::<Result<_, _>>()?;

    // The same numbers in the same order have the same sums, wherever they are added up.
    let inline = Pool::builder()
        .workers(0)
        .state(Cache::default, ())
        .build()?;
    let same = group(&inline, &parts)?;
    fs::remove_dir_all(folder)?;

    println!("{passes} passes over {PARTS} parts, {read} of them read");
    for (x, y) in &centres {
        println!("a heap around {x:.0}, {y:.0}");
    }
    if same != (centres, passes) || read != PARTS {
        return Err(format!("without workers: {same:?}").into());
    }
    Ok(())
}
