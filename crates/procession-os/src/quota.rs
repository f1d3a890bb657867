//! How many processors the cgroup of this process may keep busy. It only reads, and must count a part of one as one.

use std::path::{Path, PathBuf};

/// Where cgroups are mounted.
const MOUNTS: &str = "/sys/fs/cgroup";

/// The processors that the cgroup's quota pays for, rounded up; `None` where there is no quota, or none to read.
pub(crate) fn processors() -> Option<usize> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    among(Path::new(MOUNTS), &groups)
}

/// As [`processors`], for a list in the form of `/proc/<pid>/cgroup` and a place where cgroups are mounted.
fn among(mounts: &Path, groups: &str) -> Option<usize> {
    groups
        .lines()
        .filter_map(|line| of_line(mounts, line))
        .min()
}

/// The least quota of the group that a line such as `4:cpu,cpuacct:/user` or `0::/user` means, and of those around it.
fn of_line(mounts: &Path, line: &str) -> Option<usize> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let unified = controllers.is_empty();
    let places = if unified {
        vec![mounts.to_path_buf(), mounts.join("unified")]
    } else if controllers.split(',').any(|name| name == "cpu") {
        vec![mounts.join("cpu"), mounts.join(controllers)]
    } else {
        return None;
    };
    let path = path.trim_start_matches('/');
    let groups = places.iter().flat_map(|mount| around(mount, path));
    let quotas = groups.filter_map(|group| match unified {
        true => of_version_two(&group),
        false => of_version_one(&group),
    });
    quotas.min()
}

/// The group and each around it. A container may see the path of the host and the mount of its own: what is not there has no
/// quota.
fn around(mount: &Path, path: &str) -> Vec<PathBuf> {
    let group = mount.join(path);
    let groups = group
        .ancestors()
        .take_while(|group| group.starts_with(mount));
    groups.map(Path::to_path_buf).collect()
}

fn of_version_two(group: &Path) -> Option<usize> {
    let text = std::fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    // Without a limit it is the word `max`.
    rounded_up(quota.parse().ok()?, period.parse().ok()?)
}

fn of_version_one(group: &Path) -> Option<usize> {
    let number = |file| -> Option<u64> {
        let text = std::fs::read_to_string(group.join(file)).ok()?;
        // Without a limit it is -1.
        text.trim().parse().ok()
    };
    rounded_up(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
}

fn rounded_up(quota: u64, period: u64) -> Option<usize> {
    let whole = quota.checked_div(period)?;
    let part = u64::from(!quota.is_multiple_of(period));
    Some(usize::try_from(whole + part).unwrap_or(usize::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processors(name: &str, files: &[(&str, &str)], groups: &str) -> Option<usize> {
        let root = std::env::temp_dir().join(format!("quota-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let found = among(&root, groups);
        std::fs::remove_dir_all(root).unwrap();
        found
    }

    #[test]
    fn part_of_a_processor_counts_as_one() {
        for (text, expected) in [
            ("150000 100000\n", Some(2)),
            ("200000 100000\n", Some(2)),
            ("200001 100000\n", Some(3)),
            ("1000 100000\n", Some(1)),
            ("max 100000\n", None),
            ("100000 0\n", None),
            ("nonsense", None),
        ] {
            let files = [("user/a/cpu.max", text)];
            assert_eq!(processors("part", &files, "0::/user/a\n"), expected);
        }
    }

    #[test]
    fn group_around_it_may_have_less() {
        let files = [("a/b/cpu.max", "max 100000\n"), ("a/cpu.max", "5 2\n")];
        assert_eq!(processors("around", &files, "0::/a/b\n"), Some(3));
    }

    #[test]
    fn version_one_has_two_files_and_may_share_its_mount() {
        for mount in ["cpu", "cpu,cpuacct"] {
            let quota = format!("{mount}/a/cpu.cfs_quota_us");
            let period = format!("{mount}/a/cpu.cfs_period_us");
            let groups = "4:memory:/a\n3:cpu,cpuacct:/a\n0::/\n";
            let files = [(quota.as_str(), "250000\n"), (period.as_str(), "100000\n")];
            assert_eq!(processors("one", &files, groups), Some(3));
            let files = [(quota.as_str(), "-1\n"), (period.as_str(), "100000\n")];
            assert_eq!(processors("none", &files, groups), None);
        }
    }

    #[test]
    fn path_of_the_host_falls_back_to_the_mount_of_the_container() {
        let files = [("cpu.max", "300000 100000\n")];
        assert_eq!(processors("host", &files, "0::/docker/1234\n"), Some(3));
    }
}
