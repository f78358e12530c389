-- How many tasks of a component a function is sent in one request, and how long the request waits for them.
ALTER TABLE component_resource_requirements
    ADD COLUMN batch integer NOT NULL DEFAULT 1 CHECK (batch >= 1),
    ADD COLUMN batch_window_ms integer NOT NULL DEFAULT 0 CHECK (batch_window_ms >= 0);
