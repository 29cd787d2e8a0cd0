//! The server itself: its version, whether a commit is durable, its time and text.

use embedded_postgres::SUPPORTED_MAJORS;
use sqlx::PgConnection;

use super::{Finding, Verdict, ask, text};
use crate::{database::DURABLE, failure::Result};

pub(super) async fn look(owner: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<()> {
    findings.push(version(owner).await?);
    for (name, wanted) in DURABLE {
        let seen = setting(owner, name).await?;
        let mend = format!(
            "ALTER SYSTEM SET {name} = 'on'; SELECT pg_reload_conf(); (and look at ALTER ROLE, ALTER DATABASE)"
        );
        findings.push(Finding::must(wanted.contains(&seen.as_str()), name, seen.clone(), mend));
    }
    let checksums = setting(owner, "data_checksums").await?;
    let verdict = if checksums == "on" { Verdict::Fine } else { Verdict::Doubtful };
    findings.push(Finding::new(verdict, "data checksums", checksums, "stop the server and run pg_checksums --enable"));
    findings.push(time_zone(owner).await?);
    let encoding = setting(owner, "server_encoding").await?;
    let mend = "make the database anew with ENCODING 'UTF8'";
    findings.push(Finding::must(encoding == "UTF8", "encoding", encoding, mend));
    findings.push(connections(owner).await?);
    Ok(())
}

async fn version(owner: &mut PgConnection) -> Result<Finding> {
    let row = ask(owner, "SELECT current_setting('server_version'), current_setting('server_version_num')").await?;
    let major = text(&row, 1)?.parse::<u32>().unwrap_or_default() / 10_000;
    let mend = format!("use Postgres {} to {}", SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end());
    Ok(Finding::must(SUPPORTED_MAJORS.contains(&major), "version", text(&row, 0)?, mend))
}

/// Our own sessions ask for UTC when they connect; what the database gives everyone else is pinned on the database.
async fn time_zone(owner: &mut PgConnection) -> Result<Finding> {
    let sql = "SELECT current_database()::text, (
                 SELECT split_part(entry, '=', 2) FROM pg_db_role_setting s, unnest(s.setconfig) AS entry
                 WHERE s.setrole = 0 AND s.setdatabase = d.oid AND lower(entry) LIKE 'timezone=%')
               FROM pg_database d WHERE d.datname = current_database()";
    let row = ask(owner, sql).await?;
    let mend = format!("ALTER DATABASE {} SET timezone = 'UTC'", text(&row, 0)?);
    let (verdict, seen) = match text(&row, 1)?.as_str() {
        "" => (Verdict::Doubtful, "the database leaves it to the server's setting".to_owned()),
        zone @ ("UTC" | "Etc/UTC") => (Verdict::Fine, zone.to_owned()),
        zone => (Verdict::Wrong, zone.to_owned()),
    };
    Ok(Finding::new(verdict, "time zone", seen, mend))
}

async fn connections(owner: &mut PgConnection) -> Result<Finding> {
    let row = ask(
        owner,
        "SELECT (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                 - count(*) FILTER (WHERE backend_type = 'client backend'))::text,
                current_setting('max_connections') FROM pg_stat_activity",
    )
    .await?;
    let left: i64 = text(&row, 0)?.parse().unwrap_or_default();
    let verdict = match left {
        ..5 => Verdict::Wrong,
        5..20 => Verdict::Doubtful,
        20.. => Verdict::Fine,
    };
    let seen = format!("{left} of {} left", text(&row, 1)?);
    Ok(Finding::new(verdict, "connections", seen, "raise max_connections, or end sessions (pg_stat_activity)"))
}

async fn setting(owner: &mut PgConnection, name: &str) -> Result<String> {
    let row = ask(owner, &format!("SELECT current_setting('{name}')")).await?;
    text(&row, 0)
}
