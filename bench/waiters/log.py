"""What happened in one cell, in the order in which it began; alike lines in a row become one."""

from __future__ import annotations

LONGEST = 60


class Log:
    """Lines with their instants, in seconds since the client began."""

    def __init__(self) -> None:
        self._lines: list[tuple[float, str]] = []

    def add(self, at: float, what: str) -> None:
        self._lines.append((at, what))

    def lines(self) -> list[str]:
        """``0.25 get: 200 running``, and ``× 27, until 8.91`` behind it where it went on so."""
        merged: list[tuple[float, float, str, int]] = []
        for at, what in sorted(self._lines):
            if merged and merged[-1][2] == what:
                first, _, _, times = merged[-1]
                merged[-1] = (first, at, what, times + 1)
            else:
                merged.append((at, at, what, 1))
        lines = [
            f"{first:.2f} {what}" + (f" × {times}, until {last:.2f}" if times > 1 else "")
            for first, last, what, times in merged
        ]
        if len(lines) > LONGEST:
            lines[LONGEST - 10 : -10] = [f"… {len(lines) - LONGEST} lines more"]
        return lines
