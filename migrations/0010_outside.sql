-- How the lines to channels stand, each as the process sees it that calls through them: for whoever looks from elsewhere. A
-- process holds a lock of its session by the runner's name; the rows of one that has ended say nothing any more.
create table work.lines (
    runner         text        not null collate "C",
    channel        text        not null collate "C",
    livemode       boolean     not null,
    -- who plays it; null where nobody does
    partner        text        collate "C",
    -- closed, half_open or open, and since when
    breaker        text        not null collate "C",
    since          timestamptz not null,
    paused_until   timestamptz,
    in_flight      integer     not null,
    in_flight_max  integer     not null,
    per_second_max bigint      not null,
    -- since the process began: let out, failed of these, and held back by what
    calls          bigint      not null,
    failures       bigint      not null,
    breaker_open   bigint      not null,
    paused         bigint      not null,
    line_busy      bigint      not null,
    too_fast       bigint      not null,
    seen_at        timestamptz not null default now(),
    primary key (runner, channel, livemode)
);
comment on table work.lines is 'Written by whoever runs the processes.';
grant select, insert, update, delete on work.lines to daybook_app;

-- The days whose remittance is to be fetched from a channel, or was. What they came to is in the log.
create table work.remittances (
    channel         text        not null collate "C",
    livemode        boolean     not null,
    -- UTC
    date            date        not null,
    -- when it is looked at next; infinity where nothing is left to do
    due_at          timestamptz not null,
    tries           integer     not null default 0,
    -- since when its sums are in the log
    recorded_at     timestamptz,
    lines_count     bigint      not null default 0,
    unmatched_count bigint      not null default 0,
    -- why it could not be recorded
    problem         text,
    primary key (channel, livemode, date)
);
create index remittances_next on work.remittances (due_at);
comment on table work.remittances is 'Written by whoever runs the processes.';
grant select, insert, update on work.remittances to daybook_app;

-- Lines of remittances that were none of ours when they were looked at. What they are is never guessed.
create table work.unmatched_lines (
    channel     text        not null collate "C",
    livemode    boolean     not null,
    date        date        not null,
    number      bigint      not null,
    -- captured, refunded, refund_returned or dispute_lost
    what        text        not null collate "C",
    -- the payment it names, and the channel's own number
    payment_no  text        not null collate "C",
    no          text        collate "C",
    currency    text        not null collate "C",
    gross_minor bigint      not null,
    fee_minor   bigint      not null,
    why         text        not null,
    seen_at     timestamptz not null default now(),
    -- when it was found to be ours after all
    matched_at  timestamptz,
    primary key (channel, livemode, date, number)
);
comment on table work.unmatched_lines is 'Written by whoever runs the processes. For a person, where nothing is matched.';
grant select, insert, update on work.unmatched_lines to daybook_app;
