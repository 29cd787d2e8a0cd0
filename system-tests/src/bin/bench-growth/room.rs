//! Whether there is time and room for a log ten times as long.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Problem;

/// What the last length took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) time: Duration,
    pub(crate) disk_mib: u64,
}

/// Why the next length is not tried, if it is not.
pub(crate) fn lacking(last: Taken, left: Duration, free_mib: u64) -> Option<String> {
    let (time, disk) = (last.time.saturating_mul(10), last.disk_mib.saturating_mul(10));
    // Building takes room beside what is there, and Postgres keeps its log of writes.
    let needed_mib = disk.saturating_mul(13) / 10 + 6_000;
    if free_mib < needed_mib {
        return Some(format!("the next length would need {needed_mib} MiB of disk, and {free_mib} are free"));
    }
    if left < time {
        return Some(format!(
            "the next length would take about {} minutes, and {} were left",
            time.as_secs() / 60,
            left.as_secs() / 60
        ));
    }
    None
}

/// On the disk of this directory, by `df`.
pub(crate) fn free_mib(directory: &Path) -> Result<u64, Problem> {
    let told = Command::new("df").args(["--output=avail", "-m"]).arg(directory).output()?;
    let told = String::from_utf8(told.stdout)?;
    Ok(told.lines().nth(1).ok_or("df says nothing")?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_length_is_tried_where_there_is_time_and_room_for_ten_times_the_last() {
        let last = Taken { time: Duration::from_secs(60), disk_mib: 1_000 };
        assert_eq!(lacking(last, Duration::from_secs(700), 40_000), None);
        assert!(lacking(last, Duration::from_secs(500), 40_000).unwrap().contains("10 minutes, and 8"));
        assert!(lacking(last, Duration::from_secs(700), 18_000).unwrap().contains("19000 MiB"));
        assert!(free_mib(Path::new("/")).unwrap() > 0);
    }
}
