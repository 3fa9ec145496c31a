-- Since when nothing that was registered, or has ended, was dropped.

-- name: has_table
SELECT to_regclass('dropped_period') IS NOT NULL

-- name: kept_from
SELECT coalesce(max(d.bound_at), $1) FROM dropped_period d

-- name: hold_calls
-- Whoever drops a month waits until this transaction has ended; nobody else does.
LOCK TABLE ONLY call IN ACCESS SHARE MODE

-- name: calls_kept_from
-- Contacts go a month after their calls: what is dropped of them says nothing about calls.
SELECT coalesce(max(d.bound_at), $1) FROM dropped_period d WHERE d.of_table = 'call'
