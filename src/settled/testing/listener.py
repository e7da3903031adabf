"""The stage's ear: agents in its processes say over a local socket where they are, and wait for an order."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from settled.testing.faults import Order

HEARD_WITHIN = 30.0
Hear = Callable[[Mapping[str, Any]], Order]


class Listener:
    """Answers each message with what ``hear`` returns, in a thread for each; who is told to hang stays connected."""

    def __init__(self, hear: Hear) -> None:
        self.token = secrets.token_hex(16)
        self._hear = hear
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._held: list[socket.socket] = []
        threading.Thread(target=self._listen, name="settled-stage", daemon=True).start()

    def close(self) -> None:
        """Take no more messages, and let go of whoever hangs."""
        with contextlib.suppress(OSError):  # macOS: nobody is connected
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for held in self._held:
            held.close()

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._answer, args=(line,), name="settled-stage", daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        line.settimeout(HEARD_WITHIN)
        try:
            with line.makefile("rb") as messages:
                message = json.loads(messages.readline() or b"{}")
            if message.get("token") != self.token:  # some other program of this machine
                line.close()
                return
            order = self._hear(message)
            line.sendall(json.dumps(order).encode() + b"\n")
        except (OSError, ValueError):
            line.close()  # it was killed before it could hear
            return
        if order.do == "hang":
            self._held.append(line)
        else:
            line.close()
