"""What the harness tells the processes of a system by their environment."""

from __future__ import annotations

import os

STORE = os.environ.get("ZOMBIES_STORE", "")
"""A URL, or for SQLite a folder."""
BROKER = os.environ.get("ZOMBIES_BROKER", "")
"""A URL; where a system has one server for both, that of the store."""
ROLE = os.environ.get("ZOMBIES_ROLE", "")
"""``web`` or ``worker``."""
HARDENED = os.environ.get("ZOMBIES_VARIANT") == "hardened"
LIMIT = int(os.environ.get("ZOMBIES_LIMIT", "10"))
"""Seconds that a task may take, in systems that can be told."""
ENGINE = os.environ.get("ZOMBIES_ENGINE", "")
"""What carries our tasks, where the broker's URL does not say it."""
