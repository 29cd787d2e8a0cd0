-- Keys that still open the door there, with the secrets requests are signed with.
select k.id, k.merchant_id as merchant, (k.environment = 'production')::text as livemode, k.api_key, k.secret
  from api_keys k where k.revoked_at is null order by k.id
