-- Since when nothing that was registered, or has ended, was dropped.

-- name: has_table
SELECT to_regclass('dropped_period') IS NOT NULL

-- name: kept_from
SELECT coalesce(max(d.bound_at), $1) FROM dropped_period d
