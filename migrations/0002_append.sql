-- The one way into the log: a batch of decisions, all of them or none, in one round trip and one flush.
--
-- Returns the position of the first event (or, where no event came, the one it would have had) and the time recorded;
-- or no row at all where something the decisions relied on is no longer so: a key was used, a stream has moved. Then
-- nothing was written, and the caller looks, decides again and comes back.
--
-- Inside a volatile function each statement sees what the last holder of the head committed. The head is held until
-- commit, so position = commit = visibility order, with any number of processes.
-- Sequential scans are forbidden here because a plan cached while the log was small would be kept when it is large.
-- Compiling plans is forbidden because a forbidden scan counts as very costly, and so the one of `head` would be.
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
    data_key_ids uuid[] default '{}', data_keys_wrapped bytea[] default '{}', data_key_persons text[] default '{}'
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
            insert into vault.data_keys (id, wrapped, person)
            select * from unnest(data_key_ids, data_keys_wrapped, data_key_persons);
        end if;
    exception when unique_violation then
        return;
    end;

    return query select last_position + 1, stamp;
end $$;

revoke all on function log.append from public;
grant execute on function log.append to daybook_app;
