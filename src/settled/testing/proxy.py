"""A network between a process and its database that a test can cut, silence, and rob of single replies."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable

READY = b"Z\x00\x00\x00\x05I"
"""The server's word that no transaction is open any more: a ReadyForQuery message of the wire protocol, version 3."""
CHUNK = 65_536


class Proxy:
    """Forwards TCP connections to one server, until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._waker, self._wakes = socket.socketpair()
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._orders: list[Callable[[], None]] = []
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._cut = self._silent = False
        self._marker: bytes | None = None
        self._robbing: socket.socket | None = None
        self.robbed = threading.Event()
        """Set once a reply has been lost."""
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    # -- orders; each is carried out when it returns

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._tell(self._begin_cut)

    def silence(self) -> None:
        """Keep connections and take new ones, but let nothing through: as a firewall that drops packets."""
        self._tell(lambda: setattr(self, "_silent", True))

    def mend(self) -> None:
        """Forward again; what was silenced is broken, for its bytes are lost."""
        self._tell(self._begin_again)

    def lose_reply_to(self, marker: bytes) -> None:
        """Let the next request that contains the marker be done, and break its connection instead of saying so."""
        self.robbed.clear()
        self._tell(lambda: setattr(self, "_marker", marker))

    def close(self) -> None:
        self._tell(lambda: setattr(self, "_ended", True))
        self._thread.join(timeout=10)
        self._selector.close()
        for end in (self._listener, self._waker, self._wakes):
            end.close()

    # -- the thread

    def _tell(self, order: Callable[[], None]) -> None:
        done = threading.Event()

        def carry_out() -> None:
            order()
            done.set()

        self._orders.append(carry_out)
        self._waker.send(b".")
        assert done.wait(timeout=10), "the proxy does not answer"

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(timeout=5):
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._listener:
                    self._accept()
                elif end in self._peers:
                    self._forward(end)
                elif end.fileno() >= 0:
                    end.recv(CHUNK)
            while self._orders:
                self._orders.pop(0)()
        self._break_all()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._cut:
            client.close()
            return
        try:
            server = socket.create_connection(self._server, timeout=5)
        except OSError:
            client.close()
            return
        self._clients.add(client)
        for one, other in ((client, server), (server, client)):
            one.settimeout(5)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, end: socket.socket) -> None:
        try:
            data = end.recv(CHUNK)
            if not data:
                self._break(end)
            elif self._silent:
                pass  # lost
            elif end is self._robbing:
                if READY in data:
                    self._robbing = None
                    self._break(end)
                    self.robbed.set()
            else:
                if self._marker is not None and end in self._clients and self._marker in data:
                    self._marker, self._robbing = None, self._peers[end]
                self._peers[end].sendall(data)
        except OSError:
            self._break(end)

    def _break(self, end: socket.socket) -> None:
        peer = self._peers.pop(end)
        self._peers.pop(peer, None)
        for one in (end, peer):
            self._clients.discard(one)
            self._selector.unregister(one)
            one.close()

    def _break_all(self) -> None:
        while self._peers:
            self._break(next(iter(self._peers)))

    def _begin_cut(self) -> None:
        self._cut = True
        self._break_all()

    def _begin_again(self) -> None:
        if self._silent:
            self._break_all()
        self._cut = self._silent = False
