-- What the write API looks up besides streams.
create schema writes;
grant usage on schema writes to daybook_app;

-- Channels name a payment by a number of their own.
create table writes.channel_trades (
    channel    text not null collate "C",
    trade_no   text not null collate "C",
    payment_no text not null collate "C",
    primary key (channel, trade_no)
);
comment on table writes.channel_trades is 'Written by the follower channel_trades.';
grant select, insert on writes.channel_trades to daybook_app;
