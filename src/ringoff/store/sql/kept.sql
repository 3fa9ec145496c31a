-- Since when nothing that was registered, or has ended, was dropped.

-- name: has_table
SELECT to_regclass('dropped_period') IS NOT NULL

-- name: kept_from
SELECT coalesce(max(d.bound_at), $1) FROM dropped_period d

-- name: hold_rest
-- Whoever deletes what months have left behind in the default partition is a batch ahead at most, or comes again later.
SELECT pg_advisory_xact_lock_shared(hashtextextended('rest of calls', 0))

-- name: try_hold_rest
SELECT pg_try_advisory_xact_lock(hashtextextended('rest of calls', 0))

-- name: hold_calls
-- Whoever drops a month waits until this transaction has ended; nobody else does.
LOCK TABLE ONLY call IN ACCESS SHARE MODE

-- name: calls_kept_from
-- Contacts go a month after their calls: what is dropped of them says nothing about calls.
SELECT coalesce(max(d.bound_at), $1) FROM dropped_period d WHERE d.of_table = 'call'
