-- A build that is made to be compared with the live one, and dropped: nobody goes on with it, nobody is ever shown it.
alter table read.builds add column is_scratch boolean not null default false check (not (is_scratch and is_live));
comment on column read.builds.is_scratch is 'Made by `daybook check` to be compared and dropped.';
