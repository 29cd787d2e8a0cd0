-- What was captured before there was a table of what waits to be settled waits too: the follower that writes it had passed
-- those events. So do settlements that have left something to the next one, or less than nothing, and that nobody has
-- carried over; those whose payouts alone tell are found when anything happens to them next.
insert into work.unsettled (stream, merchant_id, livemode, currency, since)
select c.aggregate_id, c.merchant_id, c.livemode, c.currency, c.since
from (
    select distinct on (aggregate_id) aggregate_id, merchant_id, livemode,
           payload -> 'captured' -> 'amount' ->> 'currency' as currency, recorded_at as since
    from log.events
    where aggregate_type = 'payment' and event_type = 'captured' and merchant_id is not null and livemode is not null
      and position <= (select position from log.followers where name = 'processes')
    order by aggregate_id, sequence
) c
where not exists (
    select from log.events s
    where s.aggregate_type = 'payment' and s.aggregate_id = c.aggregate_id and s.event_type = 'settled'
)
union all
select l.aggregate_id, l.merchant_id, l.livemode, l.payload -> 'closed' -> 'net' ->> 'currency', l.recorded_at
from (
    select distinct on (aggregate_id) aggregate_id, merchant_id, livemode, event_type, payload, recorded_at
    from log.events
    where aggregate_type = 'settlement' and event_type in ('closed', 'carried_over', 'reopened')
      and merchant_id is not null and livemode is not null
      and position <= (select position from log.followers where name = 'processes')
    order by aggregate_id, sequence desc
) l
where l.event_type = 'closed' and (l.payload -> 'closed' ->> 'carries_over')::boolean
on conflict do nothing;

-- Each merchant concerned is looked at, as when its first payment comes.
insert into work.due (process, business, payment, merchant_id, livemode, due_at, heard)
select 'open_settlement',
       'MER' || replace(u.merchant_id::text, '-', '') || case when u.livemode then '/live' else '/test' end,
       '', u.merchant_id, u.livemode, now(), f.position
from (select distinct merchant_id, livemode from work.unsettled) u, log.followers f
where f.name = 'processes'
on conflict do nothing;

-- What must never be there: something told of what had ended. An attempt that ended is told of late in words of their own
-- (money_suspended, authorised_late); a refund that failed may succeed after all, and one that came back is over.
create view work.after_the_end as
with ended as (
    select aggregate_type, aggregate_id, min(sequence) as sequence, coalesce(payload -> event_type ->> 'attempt', '') as part
    from log.events
    where (aggregate_type = 'payment' and event_type in ('failed', 'voided', 'authorisation_expired', 'risk_rejected',
                                                         'review_rejected'))
       or (aggregate_type = 'saga' and event_type in ('completed', 'compensated', 'resolved'))
       or (aggregate_type = 'refund' and event_type = 'bounced')
    group by aggregate_type, aggregate_id, part
)
select e.aggregate_id || ' had ended, and then: ' || e.event_type as told
from ended n
join log.events e on e.aggregate_type = n.aggregate_type and e.aggregate_id = n.aggregate_id and e.sequence > n.sequence
where n.aggregate_type in ('saga', 'refund')
   or (coalesce(e.payload -> e.event_type ->> 'attempt', '') = n.part
       and e.event_type in ('submitted', 'authorised', 'captured', 'capture_requested', 'failed', 'outcome_unknown',
                            'risk_approved', 'review_requested'));
comment on view work.after_the_end is 'What was told of something that had ended. It is empty.';
grant select on work.after_the_end to daybook_app;
