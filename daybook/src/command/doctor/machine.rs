//! What the server stands on: its clock beside ours, and its disk when that is local.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::fs::statvfs;
use sqlx::PgConnection;

use super::{Finding, Verdict, ask, text};
use crate::failure::Result;

const GIB: u64 = 1 << 30;

pub(super) async fn look(owner: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<()> {
    findings.push(clock(owner).await?);
    findings.extend(disk(owner).await?);
    Ok(())
}

/// The server's clock was read somewhere between our two readings: what lies outside them is the difference.
async fn clock(owner: &mut PgConnection) -> Result<Finding> {
    let before = SystemTime::now();
    let row = ask(owner, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text").await?;
    let after = SystemTime::now();
    let micros = text(&row, 0)?.parse().unwrap_or_default();
    let theirs = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
    let ahead = theirs.duration_since(after).unwrap_or_default();
    let behind = before.duration_since(theirs).unwrap_or_default();
    let difference = ahead.max(behind);
    let verdict = match difference.as_millis() {
        ..500 => Verdict::Fine,
        500..5_000 => Verdict::Doubtful,
        5_000.. => Verdict::Wrong,
    };
    let side = if behind > ahead { "behind" } else { "ahead of" };
    let seen = format!("the server's is {} ms {side} ours", difference.as_millis());
    Ok(Finding::new(verdict, "clock", seen, "run a time service (chrony, systemd-timesyncd) on both machines"))
}

/// Nothing when the directory is another machine's, or hidden from us.
async fn disk(owner: &mut PgConnection) -> Result<Option<Finding>> {
    const HIDDEN: &str = "only a superuser or pg_read_all_settings sees the data directory";
    let row = ask(
        owner,
        "SELECT (inet_server_addr() IS NULL OR inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1')::text,
                (SELECT setting FROM pg_settings WHERE name = 'data_directory')",
    )
    .await?;
    let (is_local, data_dir) = (text(&row, 0)? == "true", text(&row, 1)?);
    if !is_local {
        return Ok(None);
    }
    if data_dir.is_empty() {
        return Ok(Some(Finding::new(Verdict::Doubtful, "disk", "not looked at", HIDDEN)));
    }
    let free = match statvfs(Path::new(&data_dir)) {
        Ok(file_system) => file_system.f_bavail.saturating_mul(file_system.f_frsize),
        Err(error) => {
            let seen = format!("{data_dir} cannot be looked at ({error})");
            return Ok(Some(Finding::new(Verdict::Doubtful, "disk", seen, "run the doctor where the server runs")));
        }
    };
    let verdict = match free / GIB {
        0 => Verdict::Wrong,
        1..10 => Verdict::Doubtful,
        10.. => Verdict::Fine,
    };
    let seen = format!("{} GiB free at {data_dir}", free / GIB);
    Ok(Some(Finding::new(verdict, "disk", seen, "a full disk stops every command: make room")))
}
