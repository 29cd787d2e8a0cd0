-- Merchants, with what was agreed. One row each; the column names are those of docs/import.md.
select m.id, m.name, m.email, m.contact_name, m.phone, m.status, m.channels, m.currencies, m.fee_rate_bps
  from merchants m order by m.id
