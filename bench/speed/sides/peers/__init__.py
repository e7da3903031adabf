"""Task queues that keep their results in SQLite, as their documentation says to use them."""
