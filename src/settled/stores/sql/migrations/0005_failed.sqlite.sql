-- What a person looks for first: the failed tasks, newest first, however many others there are. Only what fails
-- writes to it.
CREATE INDEX task_results_failed ON task_results (status) WHERE status = 'failed';
