"""What needs a package that takes long to import."""

from __future__ import annotations

import datetime

import pydantic


class Model(pydantic.BaseModel):
    url: str
    at: datetime.datetime = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
