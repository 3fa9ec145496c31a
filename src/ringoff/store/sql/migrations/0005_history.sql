-- The history among ten million calls: a page by status reads a page of an index, whatever the campaign is like.
--
-- On a big table building them here stops dialling for as long as it takes (seconds for each million calls). Whoever wants to avoid
-- that makes both beforehand with CREATE INDEX CONCURRENTLY, in exactly these words; they are found here. docs/decisions/0026 has the reasons.

DO $migration$
BEGIN
    IF EXISTS (
        SELECT FROM pg_index WHERE indexrelid IN (to_regclass('call_ended'), to_regclass('call_waiting')) AND NOT indisvalid
    ) THEN
        RAISE EXCEPTION 'an index of this migration was left half built: drop call_ended and call_waiting, and build them again';
    END IF;
END
$migration$;

-- One entry for each call, written when it ends.
CREATE INDEX IF NOT EXISTS call_ended ON call (campaign_id, status, call_id)
    WHERE status IN ('completed', 'failed', 'error', 'cancelled');
-- The status stands before the epoch, so that no plan takes this index for call_due.
CREATE INDEX IF NOT EXISTS call_waiting ON call (campaign_id, status, epoch, call_id)
    WHERE status IN ('registered', 'retry');
-- Dates are ranges of the time-ordered primary key from now on. Every write of a status paid for this one.
DROP INDEX call_by_time;
