ALTER TABLE component_resource_requirements DROP COLUMN batch, DROP COLUMN batch_window_ms;
