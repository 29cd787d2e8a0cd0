-- The tables of every read model, by version. Written by the tests, compared by them.

-- merchants version 1
create table if not exists read.merchants_v1 (
    id uuid not null,
    name text collate "C" not null,
    email text collate "C" not null,
    email_index text collate "C",
    contact_name text collate "C",
    phone text collate "C",
    status text collate "C" not null,
    status_reason text collate "C",
    channels jsonb not null,
    currencies jsonb not null,
    fees jsonb not null,
    limits jsonb not null,
    schedule jsonb,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    position bigint not null,
    primary key (id)
);
create index if not exists merchants_v1_by_0 on read.merchants_v1 (email_index);
create index if not exists merchants_v1_by_1 on read.merchants_v1 (status, id);
create table if not exists read.api_keys_v1 (
    merchant_id uuid not null,
    id uuid not null,
    livemode boolean not null,
    generation integer not null,
    valid_until timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null,
    primary key (merchant_id, id)
);
create index if not exists api_keys_v1_by_0 on read.api_keys_v1 (id);

-- ledger version 1
create table if not exists read.accounts_v1 (
    account text collate "C" not null,
    currency text collate "C" not null,
    livemode boolean not null,
    id integer not null,
    kind text collate "C" not null,
    merchant_id uuid,
    balance_minor numeric(39) not null,
    debits_minor numeric(39) not null,
    credits_minor numeric(39) not null,
    postings_count bigint not null,
    first_position bigint not null,
    last_position bigint not null,
    primary key (account, currency, livemode)
);
create index if not exists accounts_v1_by_0 on read.accounts_v1 (id);
create index if not exists accounts_v1_by_1 on read.accounts_v1 (merchant_id);
create table if not exists read.journal_entries_v1 (
    position bigint not null,
    event_id uuid not null,
    aggregate_type text collate "C" not null,
    aggregate_id text collate "C" not null,
    event_type text collate "C" not null,
    livemode boolean not null,
    merchant_id uuid,
    reverses text collate "C",
    effective_at timestamptz not null,
    recorded_at timestamptz not null,
    primary key (position)
);
create index if not exists journal_entries_v1_by_0 on read.journal_entries_v1 (aggregate_id);
create table if not exists read.postings_v1 (
    account_id integer not null,
    position bigint not null,
    line smallint not null,
    amount_minor bigint not null,
    balance_minor numeric(39) not null,
    effective_at timestamptz not null,
    primary key (account_id, position, line)
);
create index if not exists postings_v1_by_0 on read.postings_v1 (position, line);
create index if not exists postings_v1_by_1 on read.postings_v1 (account_id, effective_at, position) include (amount_minor);
create table if not exists read.account_days_v1 (
    account_id integer not null,
    day date not null,
    amount_minor numeric(39) not null,
    primary key (account_id, day)
);

