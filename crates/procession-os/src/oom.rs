//! What the kernel says of its memory killer: how often it struck in this process's memory cgroup. It only reads.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where cgroups are mounted.
const MOUNTS: &str = "/sys/fs/cgroup";
/// Far more than the few lines of counts that such a file has, in bytes.
const LONGEST: usize = 1024;

/// The count of processes that the kernel killed for want of memory in the memory cgroup of this process.
///
/// Version 2 of cgroups counts descendants too. Children are in the cgroup of their parent unless somebody moves them.
///
/// ```
/// if let Some(kills) = procession_os::oom::OomKills::here() {
///     println!("{:?} so far", kills.count());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OomKills {
    file: PathBuf,
}

impl OomKills {
    /// The counter of this process's memory cgroup, of either version; `None` where there is none to read.
    pub fn here() -> Option<OomKills> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        OomKills::among(Path::new(MOUNTS), &groups)
    }

    /// As [`OomKills::here`], for a list in the form of `/proc/<pid>/cgroup` and a place where cgroups are mounted.
    fn among(mounts: &Path, groups: &str) -> Option<OomKills> {
        let files = groups.lines().flat_map(|line| candidates(mounts, line));
        // A container may see the path of the host and the mount of its own.
        let found = files.map(|file| OomKills { file });
        found.into_iter().find(|kills| kills.count().is_some())
    }

    /// How many there have been since the cgroup was made; `None` when the file has gone.
    pub fn count(&self) -> Option<u64> {
        let mut text = String::with_capacity(LONGEST);
        let file = File::open(&self.file).ok()?;
        // Without a look at its size, which says nothing here.
        file.take(LONGEST as u64).read_to_string(&mut text).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        line.trim().parse().ok()
    }
}

/// The files that a line such as `4:memory:/user` or `0::/user` can mean.
fn candidates(mounts: &Path, line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let path = path.trim_start_matches('/');
    let (mounts, file) = if controllers.is_empty() {
        let unified = vec![mounts.to_path_buf(), mounts.join("unified")];
        (unified, "memory.events")
    } else if controllers.split(',').any(|name| name == "memory") {
        (vec![mounts.join("memory")], "memory.oom_control")
    } else {
        return Vec::new();
    };
    let places = mounts.into_iter();
    places
        .flat_map(|mount| [mount.join(path).join(file), mount.join(file)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("oom-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn count(root: &Path, groups: &str) -> Option<u64> {
        let count = OomKills::among(root, groups).and_then(|kills| kills.count());
        std::fs::remove_dir_all(root).unwrap();
        count
    }

    #[test]
    fn version_two_has_events() {
        let events = "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n";
        let root = tree("two", &[("user/a/memory.events", events)]);
        assert_eq!(count(&root, "0::/user/a\n"), Some(1));
    }

    #[test]
    fn version_one_has_a_control_file_and_wins_where_version_two_has_no_controller() {
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n";
        let files = [("memory/a/memory.oom_control", control), ("unified/x", "")];
        let root = tree("one", &files);
        assert_eq!(count(&root, "5:cpu:/a\n4:foo,memory:/a\n0::/\n"), Some(7));
    }

    #[test]
    fn path_of_the_host_falls_back_to_the_mount_of_the_container() {
        let root = tree("host", &[("memory.events", "oom_kill 4\n")]);
        assert_eq!(count(&root, "0::/docker/1234\n"), Some(4));
    }

    #[test]
    fn nothing_to_read_is_nothing() {
        let root = tree("none", &[("memory.events", "oom 4\n")]);
        assert_eq!(count(&root, "0::/\nnonsense\n1:cpu:/\n"), None);
    }
}
