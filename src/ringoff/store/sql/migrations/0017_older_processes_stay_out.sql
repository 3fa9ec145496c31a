-- From here on a session of 0.2.0, which calls itself ringoff, can write no call, attempt, order or event.
--
-- A contract is refused while such a session is connected. One that had lost its connection just then comes back unseen, and it writes
-- rows by their place, which names several rows of a partitioned table. Its next statement now ends in an error, and it never dials.

CREATE OR REPLACE FUNCTION refuse_older_process() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION 'this database has been migrated to a later version of Ringoff: stop this process, and start that version';
END
$function$;

-- step
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON dial_attempt
    FOR EACH STATEMENT WHEN (current_setting('application_name') = 'ringoff') EXECUTE FUNCTION refuse_older_process();
-- step
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON call
    FOR EACH STATEMENT WHEN (current_setting('application_name') = 'ringoff') EXECUTE FUNCTION refuse_older_process();
-- step
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON termination
    FOR EACH STATEMENT WHEN (current_setting('application_name') = 'ringoff') EXECUTE FUNCTION refuse_older_process();
-- step
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON outbox_event
    FOR EACH STATEMENT WHEN (current_setting('application_name') = 'ringoff') EXECUTE FUNCTION refuse_older_process();
-- step
CREATE OR REPLACE TRIGGER refuse_older_process BEFORE INSERT OR UPDATE OR DELETE ON webhook_delivery
    FOR EACH STATEMENT WHEN (current_setting('application_name') = 'ringoff') EXECUTE FUNCTION refuse_older_process();
