-- Payments that are open or may still be refunded, as of the moment the balances were taken.
select p.id, p.merchant_id as merchant, (p.environment = 'production')::text as livemode, p.payment_no, p.order_no, p.amount,
       p.currency, c.exponent, p.channel,
       case when p.captured_amount = 0 then 'authorised'
            when p.refunded_amount > 0 then 'partially_refunded' else 'captured' end as state,
       p.channel_trade_no, p.captured_amount as captured, p.refunded_amount as refunded, p.fee_amount as fee,
       p.fee_refunded_amount as fee_returned, (p.settled_at is not null)::text as settled,
       to_char(p.paid_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as occurred_at,
       (select to_char(max(b.as_of) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from account_balances b) as as_of,
       p.fee_rate_bps, p.subject
  from payments p join currencies c on c.code = p.currency
 where p.status in ('authorised', 'success', 'partially_refunded') order by p.id
