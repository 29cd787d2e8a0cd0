-- What waits to be settled: captured payments, and settlements that left something to the next one. A row is there from
-- the event that says so until the event that says it was settled or carried over.
create table work.unsettled (
    -- a payment or a settlement, by the id the outside knows
    stream      text        not null collate "C" primary key,
    merchant_id uuid        not null,
    livemode    boolean     not null,
    currency    text        not null collate "C",
    -- when the log heard of it first: that never falls into a day that was settled before
    since       timestamptz not null
);
create index unsettled_by_merchant on work.unsettled (merchant_id, livemode, currency, since, stream);
comment on table work.unsettled is 'Written by the follower processes.';
grant select, insert, delete on work.unsettled to daybook_app;

-- Channels tell of a payout by its own number; whose it is stands in the settlement that started it.
create table writes.payouts (
    payout_no     text not null collate "C" primary key,
    settlement_no text not null collate "C"
);
comment on table writes.payouts is 'Written by the follower channel_trades.';
grant select, insert on writes.payouts to daybook_app;

-- The follower fills it from the beginning of the log; whoever runs it now finds another epoch and stops.
update log.followers set position = 0, epoch = epoch + 1, holder = null, lease_until = null
where name = 'channel_trades';
