-- Of its names those that the worker runs in processes of their own and ends before its lease is over; NULL where a lock
-- of the machine's own tells of its death, which is certain.
ALTER TABLE task_workers ADD COLUMN processes TEXT;
