-- Which engine brings tasks to the worker. NULL: it only answers, runs blocks by hand, or is of an older version.
ALTER TABLE task_workers ADD COLUMN engine TEXT;
