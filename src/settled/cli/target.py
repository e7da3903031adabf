"""Finds the application's ``Tasks`` object by ``MODULE:ATTRIBUTE``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from settled.errors import BadInput
from settled.runner.text import kind_of
from settled.tasks import Tasks


def tasks_of(target: str) -> Tasks:
    """Import the module from the working folder and return its ``Tasks``; raise ``BadInput`` with what to do."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise BadInput(f"{target!r} does not say where the Tasks object is. Write MODULE:ATTRIBUTE, as in app:tasks.")
    module = _imported(module_name)
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise BadInput(f"Module {module_name} has no {attribute!r}. {_others(module)}")
        found = getattr(found, name)
    if not isinstance(found, Tasks):
        raise BadInput(f"{target} is {kind_of(found)}, no Tasks. {_others(module)}")
    if not found.functions:
        raise BadInput(
            f"{target} has no task functions, so there is nothing to run. "
            "Name the module that registers them, or have it import the one that does."
        )
    return found


def _imported(name: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise BadInput(_failed(name, error)) from error
        raise BadInput(
            f"There is no module {error.name!r} in {here} or on Python's path. Start in the application's folder."
        ) from None
    except (Exception, SystemExit) as error:  # whatever the application does when it is imported
        raise BadInput(_failed(name, error)) from error


def _failed(name: str, error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if len(frames) > 1 else ""
    said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    return f"Module {name} cannot be imported: {said}{where}. Mend it, then start the worker again."


def _others(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Tasks)]
    if not names:
        return "No Tasks object is in that module; name the one that makes it."
    return f"Did you mean {' or '.join(f'{module.__name__}:{name}' for name in names)}?"
