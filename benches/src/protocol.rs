//! What is said between `peers` and a lane: one JSON value a line. Must match `peers/lane.py`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The first line of a lane: who it is, or why it cannot take part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Hello {
    /// The side's name.
    pub name: String,
    /// Versions of what it measures.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// Why it cannot take part, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<String>,
}

/// One measurement to take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The work's function in the side; see [`crate::works`].
    pub work: String,
    /// Workers of the pool.
    pub workers: usize,
    /// Items, calls, deaths or processes, by work.
    pub count: usize,
    /// Turns of [`crate::tasks::spin`] that take 100 µs.
    pub turns: u64,
    /// A folder for named pipes and small files.
    pub dir: String,
}

/// What a lane answers. Samples are "lower is better", in the unit of the work.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reply {
    /// The measured values: one, or one per event.
    #[serde(default)]
    pub samples: Vec<f64>,
    /// Figures beside the samples, such as percentiles.
    #[serde(default)]
    pub extra: BTreeMap<String, f64>,
    /// The side has no way to do this work.
    #[serde(default)]
    pub unsupported: bool,
    /// The side tried and gave no figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Reply {
    /// One sample.
    pub fn one(sample: f64) -> Reply {
        Reply {
            samples: vec![sample],
            ..Reply::default()
        }
    }

    /// Several samples.
    pub fn many(samples: Vec<f64>) -> Reply {
        Reply {
            samples,
            ..Reply::default()
        }
    }

    /// The side has no way to do this.
    pub fn unsupported() -> Reply {
        Reply {
            unsupported: true,
            ..Reply::default()
        }
    }

    /// The side tried and gave no figure.
    pub fn failed(why: impl Into<String>) -> Reply {
        Reply {
            failed: Some(why.into()),
            ..Reply::default()
        }
    }

    /// Adds a figure beside the samples.
    pub fn with(mut self, name: &str, value: f64) -> Reply {
        self.extra.insert(name.to_string(), value);
        self
    }
}
