-- Real carriers: what a driver needs to know of its trunk, how the answered calls of an agent are handled.

ALTER TABLE trunk ADD COLUMN config jsonb NOT NULL DEFAULT '{}';

ALTER TABLE agent
    ADD COLUMN handling_kind text NOT NULL DEFAULT 'none'
        CHECK (handling_kind IN ('none', 'media_url', 'sip_uri', 'play')),
    ADD COLUMN handling_target text NOT NULL DEFAULT '',
    ADD CONSTRAINT handling_has_a_target CHECK ((handling_kind = 'none') = (handling_target = ''));

-- NOT VALID: old rows know no new word, and a scan of all attempts under this lock would stop dialling.
ALTER TABLE dial_attempt
    DROP CONSTRAINT known_disposition,
    ADD CONSTRAINT known_disposition CHECK (disposition IN (
        'answered', 'busy', 'no_answer', 'rejected', 'unwanted', 'invalid_number', 'congestion', 'network_failure',
        'trunk_refused', 'agent_failed', 'cancelled', 'indeterminate')) NOT VALID;
