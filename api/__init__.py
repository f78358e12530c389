"""The REST API: uploads, runs and what came of them. It reads the catalogue, never a component, a medium or an engine."""
