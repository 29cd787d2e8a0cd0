-- The log on Kafka: what the relay remembers of a topic, and where followers stand that are fed from one.
create schema bus;
grant usage on schema bus to daybook_app, daybook_projector;

-- The checkpoint itself is that of the follower `relay:<topic>`; both are written in one transaction.
create table bus.topics (
    topic      text     not null primary key collate "C",
    partitions int      not null,
    -- in each partition, the position of the last event up to the checkpoint; zero where there is none yet
    previous   bigint[] not null,
    check (cardinality(previous) = partitions)
);
comment on table bus.topics is 'Written by the relay: what the next event of each partition follows on.';
grant select, insert, update on bus.topics to daybook_app;

-- Written in the transaction of the work it stands for.
create table bus.places (
    follower       text        not null collate "C",
    topic          text        not null collate "C",
    partition      int         not null,
    -- every event of this partition up to here was applied
    position       bigint      not null default 0,
    -- the last event of this partition that was applied
    event_position bigint,
    event_id       uuid,
    -- why nothing more is taken from this partition, until an operator has looked
    halted_reason  text,
    moved_at       timestamptz not null default now(),
    primary key (follower, topic, partition)
);
comment on table bus.places is 'Checkpoints of followers fed from Kafka, one a partition.';
grant select, insert, update, delete on bus.places to daybook_app, daybook_projector;
