"""The app that the engines' workers import: the tasks of the test's process, with the same engine."""

from __future__ import annotations

import json
import os

from tests.engines.engine import engine_of
from tests.engines.functions import build

APP = "SETTLED_ENGINES_APP"
settings = json.loads(os.environ[APP])
tasks = build(settings["url"], engine_of(settings), **settings["options"])
