//! One line of the table of targets. Must judge by the median of the ratios of the rounds, never by the best round.

use super::figure;
use super::units::{shown, times};
use crate::runner::{Results, SideResult};
use crate::stats::{median, percentile, range};
use crate::targets::{Goal, Target, Weight};
use crate::works::{Unit, WORKS, Work, side};

/// One line of the table of targets.
pub(super) struct Row {
    pub(super) work: &'static str,
    pub(super) ours: String,
    pub(super) rival: String,
    pub(super) ratio: String,
    pub(super) target: String,
    pub(super) met: &'static str,
    pub(super) moonshot: String,
    pub(super) miss: Option<String>,
}

impl Row {
    pub(super) fn of(target: &Target, results: &Results) -> Option<Row> {
        let work = WORKS.iter().find(|work| work.id == target.work)?;
        let measured = results.works.get(work.id)?;
        let ours = measured.sides.get("ours")?;
        let Some(ours_median) = figure(ours) else {
            return Some(Row::without_figure(work, ours));
        };
        match target.goal {
            Goal::Ratio {
                rival,
                at_least,
                moonshot,
            } => {
                let ratios = measured.ratios("ours", rival);
                if ratios.is_empty() {
                    return None;
                }
                let (ratio, (low, high)) = (median(&ratios), range(&ratios));
                let title = side(rival).map_or(rival, |side| side.title);
                let theirs = measured
                    .sides
                    .get(rival)
                    .and_then(figure)
                    .unwrap_or(f64::NAN);
                Some(Row {
                    work: work.title,
                    ours: shown(work.unit, ours_median),
                    rival: format!("{title}: {}", shown(work.unit, theirs)),
                    ratio: format!("{} ({}–{})", times(ratio), times(low), times(high)),
                    target: if at_least > 0.0 {
                        format!("≥ {}", times(at_least))
                    } else {
                        "–".to_string()
                    },
                    met: verdict(at_least, ratio),
                    moonshot: moonshot.map_or("–".to_string(), |goal| {
                        format!("{} {}", times(goal), yes_no(ratio >= goal))
                    }),
                    miss: (ratio < at_least).then(|| {
                        format!(
                            "{} against {title}: {}, promised {}",
                            work.title,
                            times(ratio),
                            times(at_least)
                        )
                    }),
                })
            }
            Goal::Percentile {
                percent,
                at_most,
                weight,
            } => {
                let moonshot = weight == Weight::Moonshot;
                let value = percentile(&ours.samples(), percent);
                let met = value <= at_most;
                let name = if work.unit == Unit::Count {
                    String::new()
                } else {
                    format!("p{percent:.0} of {}", ours.samples().len())
                };
                let goal = if work.unit == Unit::Count {
                    format!("{at_most}")
                } else {
                    shown(work.unit, at_most)
                };
                Some(Row {
                    work: work.title,
                    ours: format!("{} {name}", shown(work.unit, value))
                        .trim_end()
                        .to_string(),
                    rival: "–".to_string(),
                    ratio: "–".to_string(),
                    target: if moonshot {
                        "–".to_string()
                    } else {
                        format!("≤ {goal}")
                    },
                    met: if moonshot { "–" } else { yes_no(met) },
                    moonshot: if moonshot {
                        format!("≤ {goal} {}", yes_no(met))
                    } else {
                        "–".to_string()
                    },
                    miss: (!met && !moonshot).then(|| {
                        format!(
                            "{}: {} {name}, promised {goal}",
                            work.title,
                            shown(work.unit, value)
                        )
                    }),
                })
            }
        }
    }

    fn without_figure(work: &Work, ours: &SideResult) -> Row {
        let why = ours.failure().unwrap_or("not offered").to_string();
        Row {
            work: work.title,
            ours: "no figure".to_string(),
            rival: "–".to_string(),
            ratio: "–".to_string(),
            target: "–".to_string(),
            met: "NO",
            moonshot: "–".to_string(),
            miss: Some(format!("{}: {why}", work.title)),
        }
    }
}

fn verdict(at_least: f64, ratio: f64) -> &'static str {
    if at_least > 0.0 {
        yes_no(ratio >= at_least)
    } else {
        "–"
    }
}

fn yes_no(met: bool) -> &'static str {
    if met { "yes" } else { "NO" }
}
