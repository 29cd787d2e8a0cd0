-- What processes have yet to look at, and when. A row is there from the event that asks for it until nothing is left to do;
-- whoever takes it puts off its time, so that it comes back to another if they die. What they do is safe to be done twice.
create schema work;
grant usage on schema work to daybook_app;

create table work.due (
    process     text        not null collate "C",
    -- what it is about, by the id the outside knows
    business    text        not null collate "C",
    -- the payment it is part of; empty where the business itself knows
    payment     text        not null collate "C",
    merchant_id uuid        not null,
    livemode    boolean     not null,
    due_at      timestamptz not null,
    -- the runner that looks at it, if one does; it holds a lock of its session by this name
    taken_by    text        collate "C",
    -- the position of the last event that asked for it
    heard       bigint      not null,
    -- tries in a row that could not be finished, and why
    failures    integer     not null default 0,
    reason      text,
    primary key (process, business)
);
create index due_next on work.due (due_at);
create index due_taken on work.due (taken_by) where taken_by is not null;
comment on table work.due is 'Written by the follower processes and by whoever runs them.';
grant select, insert, update, delete on work.due to daybook_app;

-- Reports of channels that are true and that no stream takes: of what we do not know, or that it contradicts. For a person.
create table writes.reports (
    channel     text        not null collate "C",
    livemode    boolean     not null,
    report_id   text        not null collate "C",
    body        bytea       not null,
    why         text        not null,
    received_at timestamptz not null default now(),
    primary key (channel, livemode, report_id)
);
comment on table writes.reports is 'Reports nobody could use, as they came.';
grant select, insert on writes.reports to daybook_app;
