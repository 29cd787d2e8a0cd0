-- A key knows its place in the log: who orders a person to be forgotten orders it of what was sealed before, and not of what
-- that person brings later, however late the order is carried out, and however often.

-- A key that is here now has outlived every order that was carried out: it stands as if made after the last of them. One
-- that is put back from a copy without places comes before all of them.
do $$
begin
    execute format('alter table vault.data_keys add column position bigint not null default %s',
                   coalesce((select position from log.followers where name = 'erasures'), 0));
end $$;
alter table vault.data_keys alter column position set default 0;
comment on column vault.data_keys.position is 'The event it came with: erasures before it are not of it.';

-- As it was (0002), but for the place of each key.
drop function log.append;
create function log.append(
    -- the caller has seen the log reach this position: a log that ends before it is not the same log
    seen_position bigint,
    -- events, one array a column
    event_ids uuid[], aggregate_types text[], aggregate_ids text[], sequences bigint[], event_types text[],
    event_versions text[], payloads text[], metadatas text[], merchant_ids uuid[], livemodes boolean[],
    -- answers, one a command with a key; events_upto = events of this batch up to and with that command's
    scopes text[], keys text[], fingerprints bytea[], command_ids uuid[], statuses smallint[], bodies text[],
    events_upto bigint[], answer_sequences bigint[],
    -- streams that were read and get no event here: each must still end where it was read
    read_types text[], read_ids text[], read_sequences bigint[],
    -- keys of acts that are told something without leaving an answer: none may have been answered before
    unanswered_scopes text[] default '{}', unanswered_keys text[] default '{}',
    -- the event the caller has seen at that position
    seen_event_id uuid default null,
    -- keys that open what these events carry sealed
    data_key_ids uuid[] default '{}', data_keys_wrapped bytea[] default '{}', data_key_persons text[] default '{}',
    -- the event of this batch each of them came with, counted from 1
    data_key_events bigint[] default '{}'
) returns table (first_position bigint, recorded_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    last_position bigint;
    last_recorded timestamptz;
    event_there   uuid;
    stamp         timestamptz;
begin
    perform from log.head for update;

    select e.position, e.recorded_at, e.event_id into last_position, last_recorded, event_there
      from log.events e order by e.position desc limit 1;
    last_position := coalesce(last_position, 0);
    if last_position < seen_position then
        raise exception using errcode = 'DB001',
            message = format('the log ends at position %s, but position %s was seen before', last_position, seen_position),
            hint = 'The database was restored to an earlier moment or a lagging standby was promoted. Nothing was written.';
    end if;
    if seen_event_id is not null then
        if last_position > seen_position then
            select e.event_id into event_there from log.events e where e.position = seen_position;
        end if;
        if event_there is distinct from seen_event_id then
            raise exception using errcode = 'DB001',
                message = format('position %s holds another event than was seen there before', seen_position),
                hint = 'The database was restored to an earlier moment or a lagging standby was promoted. Nothing was written.';
        end if;
    end if;
    stamp := greatest(clock_timestamp(), last_recorded);

    -- A condition with a query in it is run as a query even where its first half is false, hence one inside the other.
    if cardinality(read_types) > 0 then
        if exists (
            select from unnest(read_types, read_ids, read_sequences) as r (type, id, sequence)
             cross join lateral (select from log.events e where e.aggregate_type = r.type and e.aggregate_id = r.id
                                    and e.sequence = r.sequence + 1 offset 0) as moved
        ) then
            return;
        end if;
    end if;

    if cardinality(unanswered_keys) > 0 then
        if exists (
            select from unnest(unanswered_scopes, unanswered_keys) as k (scope, key)
             cross join lateral (select from log.answers a where a.scope = k.scope and a.key = k.key offset 0) as answered
        ) then
            return;
        end if;
    end if;

    begin
        insert into log.answers (scope, key, fingerprint, command_id, status, body, position, sequence, recorded_at)
        select a.scope, a.key, a.fingerprint, a.command_id, a.status, a.body, last_position + a.upto, a.sequence, stamp
          from unnest(scopes, keys, fingerprints, command_ids, statuses, bodies, events_upto, answer_sequences)
            as a (scope, key, fingerprint, command_id, status, body, upto, sequence);

        insert into log.events (position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version,
                                payload, metadata, merchant_id, livemode, recorded_at)
        select last_position + e.n, e.event_id, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type,
               e.event_version, e.payload::json, e.metadata::json, e.merchant_id, e.livemode, stamp
          from unnest(event_ids, aggregate_types, aggregate_ids, sequences, event_types, event_versions, payloads,
                      metadatas, merchant_ids, livemodes)
          with ordinality as e (event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload,
                                metadata, merchant_id, livemode, n);

        if cardinality(data_key_ids) > 0 then
            insert into vault.data_keys (id, wrapped, person, position)
            select k.id, k.wrapped, k.person, last_position + coalesce(k.event, 1)
              from unnest(data_key_ids, data_keys_wrapped, data_key_persons, data_key_events)
                as k (id, wrapped, person, event);
        end if;
    exception when unique_violation then
        return;
    end;

    return query select last_position + 1, stamp;
end $$;

revoke all on function log.append from public;
grant execute on function log.append to daybook_app;
