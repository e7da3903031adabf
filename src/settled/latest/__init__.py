"""The latest value of a key: newest good value, last error, at most one refresh under way; over the ledger."""

from settled.latest.answer import LastError, Latest
from settled.latest.function import LatestFunction

__all__ = ["LastError", "Latest", "LatestFunction"]
