-- Of its names those that the worker runs in processes of their own, which it ends before its lease is over. NULL: it is
-- of an older version.
ALTER TABLE {schema}.task_workers ADD COLUMN processes text;
