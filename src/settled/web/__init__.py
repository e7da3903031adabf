"""HTTP: the same surface as a bare ASGI app (``web.asgi``) and as a FastAPI router (``web.fastapi``)."""

from settled.web.problems import NotSignedIn

__all__ = ["NotSignedIn"]
