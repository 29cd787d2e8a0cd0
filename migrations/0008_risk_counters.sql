-- How often attempts began, and for how much, for the risk check: one row for each merchant, customer, card, address and
-- country of a mode. People, cards and addresses go by their blind index alone.
create table work.risk_counters (
    -- mode, kind and whose: `live card 0f3a…`
    subject text not null collate "C" primary key,
    -- pieces of time with counts and sums; a few hundred at most
    counted json not null,
    -- from this day on nothing in it matters, and it is cleared
    idle_on date not null
);
create index risk_counters_idle on work.risk_counters (idle_on);
comment on table work.risk_counters is 'Written by the follower risk_counters.';
grant select, insert, update, delete on work.risk_counters to daybook_app;

-- No rule looks back further than a month and a day: of a long log only that much is counted.
insert into log.followers (name, position)
select 'risk_counters', coalesce(
    (select position from log.events where recorded_at < now() - interval '33 days' order by position desc limit 1), 0);
