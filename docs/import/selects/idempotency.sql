-- Keys whose answers may still be asked for.
select i.id, i.merchant_id as merchant, (i.environment = 'production')::text as livemode, i.key, i.method, i.path,
       i.request_sha256, i.status_code as status, i.response_body as answer,
       to_char(i.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as expires_at
  from idempotency_keys i order by i.id
