"""Another program that locks the database file, until its standard input is closed. Argument: the file."""

from __future__ import annotations

import os
import sqlite3
import sys


def main(path: str) -> None:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    os.write(sys.stdout.fileno(), b"locked\n")
    sys.stdin.read()
    connection.execute("ROLLBACK")


if __name__ == "__main__":
    main(sys.argv[1])
