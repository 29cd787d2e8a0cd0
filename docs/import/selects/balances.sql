-- Balances at one moment: positive on the side on which an account grows. What is pending is only compared.
select b.id, (b.environment = 'production')::text as livemode, b.account, b.merchant_id as merchant, b.currency, c.exponent,
       b.balance, to_char(b.as_of at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as as_of
  from account_balances b join currencies c on c.code = b.currency order by b.id
