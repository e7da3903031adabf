"""Where in a task function a fault strikes: a point as people name it, found in the function's source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from settled.errors import BadInput
from settled.testing.faults import Fault, point_of

Definition = ast.FunctionDef | ast.AsyncFunctionDef


class Spot(NamedTuple):
    """A line of one function of one file; no line: where it returns."""

    file: str
    function: str
    line: int | None


def spot_of(function: Callable[..., Any], fault: Fault) -> Spot:
    """Find a fault's point; raise ``BadInput`` if the function has no such line, saying which it has."""
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    if code is None:
        raise BadInput(f"{function!r} is not written in Python, so no fault can strike at a line of it.")
    point = point_of(fault)
    line = None if point == "end" else _line(plain, fault)
    return Spot(code.co_filename, code.co_qualname, line)


def _line(function: Callable[..., Any], fault: Fault) -> int:
    source, first = inspect.getsourcelines(function)
    # Lines keep their numbers through dedent.
    tree = ast.parse(textwrap.dedent("".join(source)))
    definition = next((node for node in ast.walk(tree) if isinstance(node, Definition)), None)
    if definition is None:
        raise BadInput(f"{function.__qualname__} is no def, so it has no lines to strike at. Use at='end'.")
    starts = sorted({statement.lineno for statement in _statements(definition)})
    if fault.before is not None:
        return first - 1 + _with_text(source, definition, fault.before)
    number = fault.line or 1
    if number > len(starts):
        raise BadInput(
            f"{function.__qualname__} has {len(starts)} lines on which a statement begins; there is no line={number}. "
            f"The last is: {source[starts[-1] - 1].strip()}"
        )
    return first - 1 + starts[number - 1]


def _with_text(source: list[str], definition: Definition, text: str) -> int:
    """The line on which the statement begins that holds the text."""
    statements = list(_statements(definition))
    for number in range(min(s.lineno for s in statements), (definition.end_lineno or 0) + 1):
        if text in source[number - 1]:
            around = [s for s in statements if s.lineno <= number <= (s.end_lineno or s.lineno)]
            if around:
                return max(s.lineno for s in around)
    raise BadInput(f"No line of {definition.name} has {text!r} in it. Its first is: {source[statements[0].lineno - 1]}")


def _statements(definition: Definition) -> Iterator[ast.stmt]:
    """The statements of the body, also inside of loops and branches, without its docstring and functions within."""
    body = definition.body
    if ast.get_docstring(definition) is not None and len(body) > 1:
        body = body[1:]
    queue: list[ast.AST] = list(body)
    while queue:
        node = queue.pop(0)
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, Definition | ast.ClassDef | ast.Lambda):
            queue.extend(ast.iter_child_nodes(node))
