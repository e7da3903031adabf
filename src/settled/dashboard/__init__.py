"""The dashboard, for the person on call: ``Dashboard(tasks)``, an ASGI app on the ledger alone."""

from settled.dashboard.access import Access, on_this_machine
from settled.dashboard.app import Dashboard

__all__ = ["Access", "Dashboard", "on_this_machine"]
