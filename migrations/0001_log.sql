-- The log: everything that happened, in order, never erased. `position` is dense and follows commit order.

-- The application runs as this role. It owns nothing here: it may read, and append through one function.
do $$
begin
    create role daybook_app nologin;
exception when duplicate_object or unique_violation then
    null; -- roles belong to the whole server: another ledger on it has made this one
end $$;

-- So that whoever migrates may also serve with the application's few rights (a superuser may anyway).
do $$
begin
    if not pg_has_role(current_user, 'daybook_app', 'member') then
        execute format('grant daybook_app to %I', current_user);
    end if;
    -- A transaction left open would hold the head of the log, and so every writer: nobody may, for long.
    execute format('alter database %I set idle_in_transaction_session_timeout = ''15s''', current_database());
    execute format('alter database %I set timezone = ''UTC''', current_database());
end $$;

create schema log;
grant usage on schema log to daybook_app;

-- One row, locked by every append and never updated: dead versions of an updated row, unprunable while some
-- reader holds a snapshot, would make each lock slower than the last.
create table log.head (only_row boolean primary key default true check (only_row));
insert into log.head default values;

-- The seven columns from aggregate_type to metadata have the names and types postgres-es reads.
-- `json`, not `jsonb`: it keeps the bytes as they were written, and those are hashed.
create table log.events (
    position        bigint      not null primary key,
    event_id        uuid        not null,
    aggregate_type  text        not null collate "C",
    aggregate_id    text        not null collate "C",
    sequence        bigint      not null,
    event_type      text        not null collate "C",
    event_version   text        not null collate "C",
    payload         json        not null,
    metadata        json        not null,
    merchant_id     uuid,
    livemode        boolean,
    recorded_at     timestamptz not null,
    constraint one_event_per_sequence unique (aggregate_type, aggregate_id, sequence)
);
comment on table log.events is 'The book of original entry: appended to by log.append, never changed.';

-- What was answered to a command that came with an idempotency key; written in the same append as its events.
create table log.answers (
    scope       text        not null collate "C",
    key         text        not null collate "C",
    fingerprint bytea       not null,
    command_id  uuid        not null,
    status      smallint    not null,
    body        text        not null,
    position    bigint      not null,
    sequence    bigint      not null,
    recorded_at timestamptz not null,
    constraint one_answer_per_key primary key (scope, key)
);
comment on table log.answers is 'The stored answer of every command that carried an idempotency key.';

-- A fold that would be long to repeat. Never the truth: it may be deleted at any time.
create table log.snapshots (
    aggregate_type text   not null collate "C",
    aggregate_id   text   not null collate "C",
    state_version  int    not null,
    sequence       bigint not null,
    state          json   not null,
    primary key (aggregate_type, aggregate_id)
);
comment on table log.snapshots is 'Folded states of long streams; only ever a shortcut.';

-- Where each follower of the log is, who may move it, and why it stands still.
create table log.followers (
    name          text        not null primary key collate "C",
    position      bigint      not null default 0,
    epoch         bigint      not null default 0,
    holder        text,
    lease_until   timestamptz,
    failures      int         not null default 0,
    parked_reason text,
    parked_at     timestamptz,
    moved_at      timestamptz
);
comment on table log.followers is 'Checkpoints and leases; a checkpoint moves in the transaction of the work it stands for.';

-- Keys that open the personal values sealed in events, each wrapped by the master key, which is not in the database.
-- Deleting a key is forgetting what it opens; the events stay as they were.
create schema vault;
grant usage on schema vault to daybook_app;
create table vault.data_keys (
    id      uuid  not null primary key,
    wrapped bytea not null,
    -- keyed index of the person whose values it opens
    person  text  collate "C"
);
create index data_keys_of_a_person on vault.data_keys (person) where person is not null;
comment on table vault.data_keys is 'Keys of sealed personal values: written by log.append, deleted to forget.';
grant select, delete on vault.data_keys to daybook_app;

-- What tells the master key this ledger was begun with from any other. Under another one nothing would be known again.
create table vault.mark (only_row boolean primary key default true check (only_row), mark text not null);
grant select, insert on vault.mark to daybook_app;

grant select on log.events, log.answers, log.snapshots, log.followers to daybook_app;
grant insert, update on log.snapshots, log.followers to daybook_app;
