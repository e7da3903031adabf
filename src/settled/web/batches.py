"""Batches over HTTP as a bare ASGI app: no framework, to be mounted under any prefix."""

from __future__ import annotations

from settled.web.asgi import TasksApp
from settled.web.batch_face import ROUTES, BatchFace


class BatchesApp(TasksApp):
    """``GET /{id}``, ``POST /{id}/cancel``, ``/{id}/retry``: the options, and who may see what, are ``TasksApp``'s.

    ``authorize`` is asked about the first task of a batch; all of them have one owner.
    """

    _kind = BatchFace
    _routes = ROUTES
    _scripts = ()
