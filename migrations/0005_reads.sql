-- What is asked: read models, made and written by the projector alone, derived from the log at any time again.

-- The projector owns the schema of the read models and what it puts there, and nothing else: it may read the log, move
-- the checkpoints of followers, and open the few personal values that a read model holds in the open.
do $$
begin
    create role daybook_projector nologin;
exception when duplicate_object or unique_violation then
    null; -- roles belong to the whole server: another ledger on it has made this one
end $$;

-- Analysts may look at documented views and at nothing else, and for no longer than a minute. No password: whoever runs
-- the ledger sets one (`alter role daybook_analyst password …`) when the first analyst comes.
do $$
begin
    create role daybook_analyst login;
exception when duplicate_object or unique_violation then
    null;
end $$;

do $$
begin
    if not pg_has_role(current_user, 'daybook_projector', 'member') then
        execute format('grant daybook_projector to %I', current_user);
    end if;
    execute format('alter database %I set search_path = "$user", public, read', current_database());
    execute format('alter role daybook_analyst in database %I set search_path = reporting', current_database());
    execute format('alter role daybook_analyst in database %I set default_transaction_read_only = on', current_database());
    execute format('alter role daybook_analyst in database %I set statement_timeout = ''60s''', current_database());
    execute format('alter role daybook_analyst in database %I set idle_in_transaction_session_timeout = ''10s''', current_database());
    execute format('alter role daybook_analyst in database %I set idle_session_timeout = ''15min''', current_database());
end $$;

create schema read;
create schema reporting;
comment on schema read is 'Read models: written by the projector, made again from the log at any time.';
comment on schema reporting is 'For analysts: documented views, described in docs/reporting.md.';
grant usage, create on schema read, reporting to daybook_projector;
grant usage on schema read to daybook_app;
grant usage on schema reporting to daybook_analyst;
alter default privileges for role daybook_projector in schema read grant select on tables to daybook_app;
alter default privileges for role daybook_projector in schema reporting grant select on tables to daybook_analyst;

grant usage on schema log, vault to daybook_projector;
grant select on log.events, log.followers, vault.data_keys to daybook_projector;
grant insert, update on log.followers to daybook_projector;

-- Every build of every read model: the one that is asked, and the one that is being filled beside it.
create table read.builds (
    model      text        not null collate "C",
    build      int         not null,
    -- of its tables' shape and its rules
    version    int         not null,
    is_live    boolean     not null default false,
    -- how far the fill has come; from then on the checkpoint of its follower counts
    position   bigint      not null default 0,
    started_at timestamptz not null default now(),
    primary key (model, build)
);
create unique index one_live_build on read.builds (model) where is_live;

-- Events an operator told a read model to pass over, in this build and in every later one.
create table read.skips (
    model      text        not null collate "C",
    position   bigint      not null,
    reason     text        not null,
    skipped_at timestamptz not null default now(),
    primary key (model, position)
);
comment on table read.skips is 'What a read model passes over because an operator said so; the deed is in the log.';
comment on table read.builds is 'Builds of read models: name_v<build> holds the rows, the view name shows the live one.';
grant select, insert, update, delete on read.builds, read.skips to daybook_projector;
grant select on read.builds, read.skips to daybook_app;
