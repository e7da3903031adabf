"""Sides on PostgreSQL: settled, the pattern by hand, and other task queues, each set up as its documentation says."""
