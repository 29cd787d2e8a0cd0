-- The witness: a Merkle tree over the log, in tiles, and what was signed of it. Derived from the log, but for signatures.
create schema audit;
grant usage on schema audit to daybook_app;
comment on schema audit is 'A Merkle tree over the log (RFC 6962), and the checkpoints that were signed: docs/audit.md.';

-- How large the tree is, and its root. Moved by the follower `tree`, with its checkpoint.
create table audit.tree (
    only_row boolean primary key default true check (only_row),
    size     bigint  not null default 0 check (size >= 0),
    root     bytea   not null
);
insert into audit.tree (root) values (sha256(''));
comment on table audit.tree is 'Written by the follower tree.';
grant select, update on audit.tree to daybook_app;

-- 256 neighbours of one level. On level 0 they are hashes of leaves: event n is the leaf n - 1. Each hash of the next level
-- stands for a whole tile below. A tile that is full never changes.
create table audit.tiles (
    level  smallint not null check (level between 0 and 7),
    index  bigint   not null check (index >= 0),
    hashes bytea    not null check (octet_length(hashes) between 32 and 8192 and octet_length(hashes) % 32 = 0),
    primary key (level, index)
);
-- Hashes do not compress: trying costs time.
alter table audit.tiles alter column hashes set storage external;
comment on table audit.tiles is 'Written by the follower tree.';
grant select, insert, update on audit.tiles to daybook_app;

-- What was signed, as it was signed. Also written to a directory outside the database.
create table audit.checkpoints (
    size      bigint      not null primary key check (size > 0),
    root      bytea       not null,
    note      text        not null,
    signed_at timestamptz not null default now()
);
comment on table audit.checkpoints is 'Signed checkpoints of the tree; never changed.';
grant select, insert on audit.checkpoints to daybook_app;

-- The public keys that have signed here, the old ones too: what they signed stays verifiable. Whom to trust is not read here.
create table audit.keys (
    key   text        not null primary key collate "C",
    since timestamptz not null default now()
);
comment on table audit.keys is 'Public keys of checkpoints; never changed.';
grant select, insert on audit.keys to daybook_app;
