"""The demo: a page where real work runs, and everything that can go wrong does, and settles.

settled demo                      # or: make demo
settled.demo.serve(port=8000)     # the same from Python
"""

from settled.demo.server import serve

__all__ = ["serve"]
