"""What an exception says, for the routes of systems that keep the exception itself."""

from __future__ import annotations

import traceback


def said(error: object) -> str:
    """As the end of a traceback shows it, which also does when ``str()`` of the exception raises."""
    if isinstance(error, BaseException):
        return "".join(traceback.format_exception_only(error)).strip()
    return str(error)
