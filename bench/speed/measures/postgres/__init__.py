"""What is measured on PostgreSQL, every side on a fresh database of the same server with the durability that it has."""
