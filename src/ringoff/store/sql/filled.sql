-- Statistics of what a registration has filled, for uploads of both kinds.

-- name: analyze
-- Only what this transaction has filled: of the partitions, that is the newest one.
DO $analyze$
DECLARE
    filled regclass;
BEGIN
    FOR filled IN
        SELECT s.relid FROM pg_stat_xact_user_tables s
        WHERE s.n_tup_ins > 0
          AND coalesce(pg_partition_root(s.relid), s.relid) IN ('call'::regclass, 'contact'::regclass)
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', filled);
    END LOOP;
END
$analyze$
