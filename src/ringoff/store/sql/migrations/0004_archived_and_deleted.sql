-- Agents that are edited, archived and attached to numbers; lists that are deleted. Constant defaults and columns that begin as
-- NULL change the catalogue only: no table is rewritten.

ALTER TABLE agent
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN archived_at timestamptz;

-- Which agent a number is shown with. NOT VALID: there is nothing yet to check, so nothing is read under the lock.
ALTER TABLE number
    ADD COLUMN agent_id uuid,
    ADD CONSTRAINT number_is_of_an_agent FOREIGN KEY (workspace_id, agent_id) REFERENCES agent NOT VALID;

-- A deleted list is neither listed nor started again; its calls stay in the history.
ALTER TABLE campaign ADD COLUMN deleted_at timestamptz;
