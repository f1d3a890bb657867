//! Finds the files under the roots, one at a time. It opens no file, and never enters a folder twice by a loop.

use std::{collections::HashSet, ffi::OsString, io, os::unix::fs::MetadataExt, path::PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::options::{Links, Options};

/// A regular file, to be read by a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is, as found: the root with the names below it.
    pub path: OsString,
    /// Its length when it was found, in bytes.
    pub bytes: u64,
}

/// Something that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is.
    pub path: OsString,
    /// One phrase for people.
    pub reason: String,
}

/// One thing found on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A regular file, the first time it is met.
    File(File),
    /// Another name of a file already met: a hard link, a followed symbolic link, or an overlapping root.
    SameFile,
    /// A folder.
    Folder,
    /// A symbolic link that is not followed.
    Link,
    /// A fifo, a socket or a device.
    Special,
    /// A folder or a name that could not be read, or a loop of links.
    Problem(Problem),
}

/// Everything under the roots of `options`, in the order of the roots; within a folder in the order of the file system.
pub fn walk(options: &Options) -> impl Iterator<Item = Found> {
    let skip = options.skip.clone();
    let links = options.follow;
    let mut seen = HashSet::new();
    options
        .roots
        .clone()
        .into_iter()
        .flat_map(move |root| entries(root, links, skip.clone()))
        .map(move |entry| match entry {
            Ok(entry) => classify(entry, &mut seen),
            Err(error) => Found::Problem(problem(error)),
        })
}

fn entries(
    root: PathBuf,
    links: Links,
    skip: Vec<OsString>,
) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    let left_out = move |entry: &DirEntry| {
        entry.depth() > 0 && skip.iter().any(|name| name == entry.file_name())
    };
    WalkDir::new(root)
        .follow_links(links == Links::Follow)
        .into_iter()
        .filter_entry(move |entry| !left_out(entry))
}

fn classify(entry: DirEntry, seen: &mut HashSet<(u64, u64)>) -> Found {
    let kind = entry.file_type();
    if kind.is_dir() {
        return Found::Folder;
    }
    // A root that is a link to a file keeps the link's type, and is read: its name was given.
    let followed_root = entry.depth() == 0 && kind.is_symlink();
    if kind.is_symlink() && !followed_root {
        return Found::Link;
    }
    let metadata = if followed_root {
        entry.path().metadata()
    } else {
        entry.metadata().map_err(io::Error::from)
    };
    match metadata {
        Ok(metadata) if !metadata.is_file() => Found::Special,
        Ok(metadata) if !seen.insert((metadata.dev(), metadata.ino())) => Found::SameFile,
        Ok(metadata) => Found::File(File {
            bytes: metadata.len(),
            path: entry.into_path().into_os_string(),
        }),
        Err(error) => Found::Problem(Problem {
            path: entry.into_path().into_os_string(),
            reason: error.to_string(),
        }),
    }
}

fn problem(error: walkdir::Error) -> Problem {
    let path = error
        .path()
        .map(|path| path.as_os_str().to_os_string())
        .unwrap_or_default();
    let reason = match (error.loop_ancestor(), error.io_error()) {
        (Some(_), _) => "a loop of symbolic links".to_string(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    };
    Problem { path, reason }
}
