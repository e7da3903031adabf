"""Faults × systems: what a page that polls is told, whatever goes wrong behind it."""
