-- The extension stays: it may have been there before, and others in this database may use it.
SELECT 1;
