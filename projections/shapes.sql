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

-- orders version 1
create table if not exists read.orders_v1 (
    id uuid not null,
    merchant_id uuid not null,
    livemode boolean not null,
    order_no text collate "C" not null,
    status text collate "C" not null,
    is_fulfilled boolean not null,
    total_minor bigint not null,
    tax_minor bigint not null,
    shipping_minor bigint not null,
    currency text collate "C" not null,
    paid_minor bigint not null,
    refunded_minor bigint not null,
    payment_id uuid,
    version bigint not null,
    created_position bigint not null,
    created_at timestamptz not null,
    paid_at timestamptz,
    updated_position bigint not null,
    updated_at timestamptz not null,
    primary key (id)
);
create index if not exists orders_v1_by_0 on read.orders_v1 (merchant_id, livemode, created_position);
create index if not exists orders_v1_by_1 on read.orders_v1 (created_position);
create index if not exists orders_v1_by_2 on read.orders_v1 (order_no);
create table if not exists read.order_items_v1 (
    id uuid not null,
    order_id uuid not null,
    line integer not null,
    name text collate "C" not null,
    quantity bigint not null,
    unit_price_minor bigint not null,
    amount_minor bigint not null,
    primary key (order_id, line)
);


-- payments version 1
create table if not exists read.payments_v1 (
    id uuid not null,
    merchant_id uuid not null,
    livemode boolean not null,
    order_no text collate "C" not null,
    order_id uuid not null,
    amount_minor bigint not null,
    currency text collate "C" not null,
    status text collate "C" not null,
    channel text collate "C" not null,
    method text collate "C",
    attempt integer not null,
    phase text collate "C" not null,
    captured_minor bigint not null,
    fee_minor bigint not null,
    refunded_minor bigint not null,
    refunding_minor bigint not null,
    fee_returned_minor bigint not null,
    disputed_minor bigint not null,
    refunds_open jsonb,
    is_cancelled boolean not null,
    settlement_id uuid,
    decline text collate "C",
    channel_trade_no text collate "C",
    risk_score smallint,
    risk_decision text collate "C",
    subject text collate "C",
    description text collate "C",
    customer_email text collate "C",
    customer_index text collate "C",
    callback_url text collate "C",
    return_url text collate "C",
    metadata jsonb,
    version bigint not null,
    created_position bigint not null,
    created_at timestamptz not null,
    captured_at timestamptz,
    updated_position bigint not null,
    updated_at timestamptz not null,
    primary key (id)
);
create index if not exists payments_v1_by_0 on read.payments_v1 (merchant_id, livemode, created_position);
create index if not exists payments_v1_by_1 on read.payments_v1 (created_position);
create index if not exists payments_v1_by_2 on read.payments_v1 (order_no);
create index if not exists payments_v1_by_3 on read.payments_v1 (customer_index) where customer_index is not null;
create table if not exists read.payment_attempts_v1 (
    payment_id uuid not null,
    attempt integer not null,
    channel text collate "C" not null,
    method text collate "C",
    capture_mode text collate "C" not null,
    phase text collate "C" not null,
    decline text collate "C",
    channel_trade_no text collate "C",
    risk_score smallint,
    risk_decision text collate "C",
    authorised_minor bigint not null,
    captured_minor bigint not null,
    opened_at timestamptz not null,
    submitted_at timestamptz,
    answered_at timestamptz,
    position bigint not null,
    primary key (payment_id, attempt)
);


-- refunds version 1
create table if not exists read.refunds_v1 (
    id uuid not null,
    payment_id uuid not null,
    merchant_id uuid not null,
    livemode boolean not null,
    amount_minor bigint not null,
    currency text collate "C" not null,
    status text collate "C" not null,
    reason text collate "C" not null,
    channel text collate "C",
    channel_refund_no text collate "C",
    decline text collate "C",
    released_for text collate "C",
    fee_returned_minor bigint not null,
    version bigint not null,
    created_position bigint not null,
    created_at timestamptz not null,
    confirmed_at timestamptz,
    updated_position bigint not null,
    updated_at timestamptz not null,
    primary key (id)
);
create index if not exists refunds_v1_by_0 on read.refunds_v1 (merchant_id, livemode, created_position);
create index if not exists refunds_v1_by_1 on read.refunds_v1 (created_position);
create index if not exists refunds_v1_by_2 on read.refunds_v1 (payment_id);

-- settlements version 1
create table if not exists read.settlements_v1 (
    id uuid not null,
    merchant_id uuid not null,
    livemode boolean not null,
    currency text collate "C" not null,
    status text collate "C" not null,
    period_from date not null,
    period_until date not null,
    gross_minor bigint not null,
    fees_minor bigint not null,
    refunds_minor bigint not null,
    disputes_minor bigint not null,
    adjustments_minor bigint not null,
    carried_in_minor bigint not null,
    net_minor bigint not null,
    paid_out_minor bigint not null,
    carried_out_minor bigint not null,
    carried_out_count integer not null,
    payments_count bigint not null,
    threshold_minor bigint not null,
    version bigint not null,
    created_position bigint not null,
    created_at timestamptz not null,
    closed_at timestamptz,
    approved_at timestamptz,
    paid_out_at timestamptz,
    updated_position bigint not null,
    updated_at timestamptz not null,
    primary key (id)
);
create index if not exists settlements_v1_by_0 on read.settlements_v1 (merchant_id, livemode, created_position);
create index if not exists settlements_v1_by_1 on read.settlements_v1 (created_position);
create table if not exists read.settlement_lines_v1 (
    settlement_id uuid not null,
    position bigint not null,
    source_id uuid not null,
    merchant_id uuid not null,
    livemode boolean not null,
    kind text collate "C" not null,
    payment_id uuid,
    currency text collate "C" not null,
    captured_minor bigint not null,
    fees_minor bigint not null,
    refunds_minor bigint not null,
    disputes_minor bigint not null,
    net_minor bigint not null,
    created_at timestamptz not null,
    primary key (settlement_id, position)
);
create index if not exists settlement_lines_v1_by_0 on read.settlement_lines_v1 (payment_id);
create table if not exists read.settlement_payouts_v1 (
    settlement_id uuid not null,
    id uuid not null,
    amount_minor bigint not null,
    standing text collate "C" not null,
    reason text collate "C",
    position bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (settlement_id, id)
);


-- sagas version 2
create table if not exists read.saga_instances_v2 (
    id uuid not null,
    business_id text collate "C" not null,
    business_type text collate "C",
    status text collate "C" not null,
    current_step integer not null,
    error_message text collate "C",
    metadata text collate "C",
    created_at timestamp not null,
    updated_at timestamp not null,
    completed_at timestamp,
    compensated_at timestamp,
    primary key (id)
);
create index if not exists saga_instances_v2_by_0 on read.saga_instances_v2 (created_at, id);
create index if not exists saga_instances_v2_by_1 on read.saga_instances_v2 (business_id);
create index if not exists saga_instances_v2_by_2 on read.saga_instances_v2 (((extract(epoch from created_at) * 1000000)::bigint), id);
create index if not exists saga_instances_v2_by_3 on read.saga_instances_v2 (business_type) where status = 'failed';
create table if not exists read.saga_steps_v2 (
    id uuid not null,
    saga_id uuid not null,
    step_order integer not null,
    step_name text collate "C" not null,
    status text collate "C" not null,
    execute_data text collate "C",
    compensate_data text collate "C",
    result text collate "C",
    error_message text collate "C",
    executed_at timestamp,
    compensated_at timestamp,
    retry_count integer not null,
    max_retry_count integer not null,
    next_retry_at timestamp,
    created_at timestamp not null,
    updated_at timestamp not null,
    primary key (saga_id, step_order)
);
create index if not exists saga_steps_v2_by_0 on read.saga_steps_v2 (id);
create index if not exists saga_steps_v2_by_1 on read.saga_steps_v2 (next_retry_at) where status = 'failed';

-- analytics version 1
create table if not exists read.analytics_attempts_v1 (
    payment_id uuid not null,
    merchant_id uuid not null,
    livemode boolean not null,
    attempt integer not null,
    bucket_id uuid not null,
    opened_at timestamptz not null,
    is_answered boolean not null,
    is_captured boolean not null,
    is_over boolean not null,
    channel text collate "C" not null,
    currency text collate "C" not null,
    method text collate "C" not null,
    primary key (payment_id)
);

create table if not exists read.analytics_quarters_v1 (
    id uuid not null,
    merchant_id uuid not null,
    livemode boolean not null,
    starts_at timestamptz not null,
    channel text collate "C" not null,
    currency text collate "C" not null,
    method text collate "C" not null,
    payments_count bigint not null,
    attempts_count bigint not null,
    succeeded_count bigint not null,
    failed_count bigint not null,
    rejected_count bigint not null,
    abandoned_count bigint not null,
    asked_minor bigint not null,
    captures_count bigint not null,
    captured_minor bigint not null,
    fee_minor bigint not null,
    refunds_count bigint not null,
    refunded_minor bigint not null,
    fee_returned_minor bigint not null,
    disputes_count bigint not null,
    disputed_minor bigint not null,
    declines jsonb,
    latency_ms jsonb,
    customers bytea,
    primary key (id)
);
create index if not exists analytics_quarters_v1_by_0 on read.analytics_quarters_v1 (merchant_id, livemode, starts_at);
create index if not exists analytics_quarters_v1_by_1 on read.analytics_quarters_v1 (starts_at);

-- ledger version 2
create table if not exists read.accounts_v2 (
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
create index if not exists accounts_v2_by_0 on read.accounts_v2 (id);
create index if not exists accounts_v2_by_1 on read.accounts_v2 (merchant_id);
create table if not exists read.journal_entries_v2 (
    position bigint not null,
    event_id uuid not null,
    aggregate_type text collate "C" not null,
    aggregate_id text collate "C" not null,
    event_type text collate "C" not null,
    livemode boolean not null,
    merchant_id uuid,
    reverses text collate "C",
    occurred_at timestamptz not null,
    effective_at timestamptz not null,
    recorded_at timestamptz not null,
    is_late boolean not null,
    primary key (position)
);
create index if not exists journal_entries_v2_by_0 on read.journal_entries_v2 (aggregate_id);
create index if not exists journal_entries_v2_by_1 on read.journal_entries_v2 (occurred_at) where is_late;
create table if not exists read.postings_v2 (
    account_id integer not null,
    position bigint not null,
    line smallint not null,
    amount_minor bigint not null,
    balance_minor numeric(39) not null,
    effective_at timestamptz not null,
    primary key (account_id, position, line)
);
create index if not exists postings_v2_by_0 on read.postings_v2 (position, line);
create index if not exists postings_v2_by_1 on read.postings_v2 (account_id, effective_at, position) include (amount_minor);
create table if not exists read.account_days_v2 (
    account_id integer not null,
    day date not null,
    amount_minor numeric(39) not null,
    primary key (account_id, day)
);

create table if not exists read.period_closes_v2 (
    position bigint not null,
    event_id uuid not null,
    livemode boolean not null,
    month date not null,
    what text collate "C" not null,
    closed_through date not null,
    by text collate "C" not null,
    recorded_at timestamptz not null,
    primary key (position)
);

