//! What the application's role may do: append to the log, and nothing else to it.

use sqlx::PgConnection;

use super::{Finding, Verdict, ask, text};
use crate::{
    database,
    failure::{Attempt as _, Result},
};

/// What every connection of the application runs as.
const APP_ROLE: &str = "daybook_app";
const PROJECTOR_ROLE: &str = "daybook_projector";

pub(super) async fn look(owner: &mut PgConnection, app_url: &str, findings: &mut Vec<Finding>) -> Result<()> {
    if !role(owner, findings).await? {
        return Ok(());
    }
    timeouts(app_url, findings).await?;
    table(owner, findings).await?;
    append(owner, findings).await?;
    projector(owner, findings).await
}

async fn role(owner: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<bool> {
    let row = ask(
        owner,
        &format!(
            "SELECT (count(*) > 0)::text, coalesce(bool_or(rolsuper), false)::text,
                    coalesce(bool_or(rolbypassrls), false)::text
             FROM pg_roles WHERE rolname = '{APP_ROLE}'"
        ),
    )
    .await?;
    let (exists, is_super, bypasses) = (text(&row, 0)? == "true", text(&row, 1)? == "true", text(&row, 2)? == "true");
    let seen = match (exists, is_super, bypasses) {
        (false, _, _) => format!("{APP_ROLE} does not exist"),
        (true, true, _) => format!("{APP_ROLE} is a superuser: nothing binds it"),
        (true, false, true) => format!("{APP_ROLE} bypasses row security"),
        (true, false, false) => APP_ROLE.to_owned(),
    };
    let mend =
        if exists { format!("ALTER ROLE {APP_ROLE} NOSUPERUSER NOBYPASSRLS") } else { "run `daybook migrate`".into() };
    findings.push(Finding::must(exists && !is_super && !bypasses, "application's role", seen, mend));
    Ok(exists)
}

/// A commit must never be cancelled by a timer: whether it happened would be unknown.
async fn timeouts(app_url: &str, findings: &mut Vec<Finding>) -> Result<()> {
    let connected = database::pool(app_url)?.acquire().await;
    let mut app = match connected.attempt(|| format!("signing in as {APP_ROLE}")) {
        Ok(app) => app,
        Err(failure) => {
            let mend = format!("GRANT {APP_ROLE} TO the user of DATABASE_URL");
            findings.push(Finding::new(Verdict::Wrong, "application's sign-in", failure.to_string(), mend));
            return Ok(());
        }
    };
    for name in database::TIMERS {
        let row = ask(&mut app, &format!("SELECT coalesce(current_setting('{name}', true), '0')")).await?;
        let seen = text(&row, 0)?;
        let mend = format!("ALTER ROLE {APP_ROLE} SET {name} = 0 (and the same for the user who signs in)");
        findings.push(Finding::must(seen == "0", name, seen.clone(), mend));
    }
    Ok(())
}

async fn table(owner: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<()> {
    const TABLE: &str = "the table of events";
    let sql = format!(
        "SELECT pg_has_role('{APP_ROLE}', c.relowner, 'MEMBER')::text,
                concat_ws(', ',
                  CASE WHEN has_table_privilege('{APP_ROLE}', c.oid, 'INSERT') THEN 'INSERT' END,
                  CASE WHEN has_table_privilege('{APP_ROLE}', c.oid, 'UPDATE')
                         OR has_any_column_privilege('{APP_ROLE}', c.oid, 'UPDATE') THEN 'UPDATE' END,
                  CASE WHEN has_table_privilege('{APP_ROLE}', c.oid, 'DELETE') THEN 'DELETE' END,
                  CASE WHEN has_table_privilege('{APP_ROLE}', c.oid, 'TRUNCATE') THEN 'TRUNCATE' END)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'log' AND c.relname = 'events'
         UNION ALL SELECT 'absent', '' LIMIT 1"
    );
    let row = ask(owner, &sql).await?;
    let (owns, may) = (text(&row, 0)?, text(&row, 1)?);
    if owns == "absent" {
        findings.push(Finding::new(Verdict::Wrong, TABLE, "does not exist", "run `daybook migrate`"));
        return Ok(());
    }
    let seen = if owns == "true" { format!("{APP_ROLE} owns it") } else { "owned by another role".to_owned() };
    findings.push(Finding::must(
        owns != "true",
        TABLE,
        seen,
        "ALTER TABLE … OWNER TO a role the application is not in",
    ));
    let seen = if may.is_empty() { "append only".to_owned() } else { format!("{APP_ROLE} may {may}") };
    let mend = format!("REVOKE {may} ON {TABLE} FROM {APP_ROLE} (and from PUBLIC)");
    findings.push(Finding::must(may.is_empty(), "changing events", seen, mend));
    Ok(())
}

async fn append(owner: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<()> {
    let sql = format!(
        "SELECT (count(*) > 0 AND bool_and(has_function_privilege('{APP_ROLE}', p.oid, 'EXECUTE')
                 AND has_schema_privilege('{APP_ROLE}', n.oid, 'USAGE')))::text
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'log' AND p.proname = 'append'"
    );
    let may = text(&ask(owner, &sql).await?, 0)? == "true";
    let seen = if may { "allowed" } else { "not allowed" };
    let mend = format!("run `daybook migrate`, or GRANT USAGE ON SCHEMA log and EXECUTE on log.append to {APP_ROLE}");
    findings.push(Finding::must(may, "appending", seen, mend));
    Ok(())
}

/// Who writes the read models owns them and nothing of the log, and the one who serves can become it.
async fn projector(owner: &mut PgConnection, findings: &mut Vec<Finding>) -> Result<()> {
    const WHAT: &str = "projector's role";
    let sql = format!(
        "SELECT (count(*) > 0)::text, coalesce(bool_or(r.rolsuper OR r.rolbypassrls), false)::text,
                coalesce(bool_or(pg_has_role(current_user, r.oid, 'MEMBER')), false)::text,
                coalesce(bool_or(has_schema_privilege(r.oid, s.oid, 'CREATE')), false)::text,
                coalesce(bool_or(has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')), false)::text
         FROM pg_roles r JOIN pg_namespace s ON s.nspname = 'read'
         LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'log')
           ON c.relname = 'events'
         WHERE r.rolname = '{PROJECTOR_ROLE}'"
    );
    let row = ask(owner, &sql).await?;
    let is = |column| text(&row, column).map(|answer| answer == "true");
    let (exists, is_free, may_become, may_write, may_change) = (is(0)?, is(1)?, is(2)?, is(3)?, is(4)?);
    let (seen, mend) = match (exists, is_free, may_become, may_write, may_change) {
        (false, ..) => (format!("{PROJECTOR_ROLE} or its schema does not exist"), "run `daybook migrate`".to_owned()),
        (true, true, ..) => {
            (format!("nothing binds {PROJECTOR_ROLE}"), format!("ALTER ROLE {PROJECTOR_ROLE} NOSUPERUSER NOBYPASSRLS"))
        }
        (true, false, false, ..) => {
            (format!("{PROJECTOR_ROLE} is out of reach"), format!("GRANT {PROJECTOR_ROLE} TO the user of DATABASE_URL"))
        }
        (true, false, true, false, _) => (
            format!("{PROJECTOR_ROLE} may make no tables in read"),
            format!("GRANT USAGE, CREATE ON SCHEMA read, reporting TO {PROJECTOR_ROLE}"),
        ),
        (true, false, true, true, true) => (
            format!("{PROJECTOR_ROLE} may change events"),
            format!("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON the table of events FROM {PROJECTOR_ROLE}"),
        ),
        (true, false, true, true, false) => (PROJECTOR_ROLE.to_owned(), String::new()),
    };
    findings.push(Finding::must(mend.is_empty(), WHAT, seen, mend));
    Ok(())
}
