"""The fixtures as users have them. A conftest that is not at the root cannot name plugins, so it imports them."""

from settled.testing.plugin import settled_clock, settled_ledger, stage

__all__ = ["settled_clock", "settled_ledger", "stage"]
