"""Functions that a new process can import."""

from __future__ import annotations


def give(value: object = None) -> object:
    return value


async def agive(value: object = None) -> object:
    return value
