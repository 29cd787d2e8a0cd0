-- A channel's numbers are told apart by mode: a test number never stands for a payment of real money.
drop table writes.channel_trades;
create table writes.channel_trades (
    livemode   boolean not null,
    channel    text    not null collate "C",
    trade_no   text    not null collate "C",
    payment_no text    not null collate "C",
    primary key (livemode, channel, trade_no)
);
comment on table writes.channel_trades is 'Written by the follower channel_trades.';
grant select, insert on writes.channel_trades to daybook_app;

-- The follower fills it again from the beginning of the log; whoever runs it now finds another epoch and stops.
update log.followers set position = 0, epoch = epoch + 1, holder = null, lease_until = null
where name = 'channel_trades';
