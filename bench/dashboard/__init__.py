"""The dashboard on a large ledger."""
