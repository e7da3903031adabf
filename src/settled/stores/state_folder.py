"""Where on this machine a ledger that is elsewhere keeps what must outlive a process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

VARIABLE = "SETTLED_STATE_FOLDER"


def state_folder() -> Path:
    """Return the folder that ``SETTLED_STATE_FOLDER`` names, else ``settled`` in the user's folder for state.

    That one is of the XDG Base Directory Specification; where a user has no home it is one of the system's
    folder for temporary files.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named).absolute()
    try:
        home = Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"settled-{os.getuid()}"
    return Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "settled"
