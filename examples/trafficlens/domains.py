"""What people paste for a domain, brought into one form."""

from __future__ import annotations

import re

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}", re.ASCII)


def domain_of(text: str) -> str:
    """Return ``example.org`` for ``HTTPS://www.Example.org:443/a?b``; raise ``ValueError`` for what is no domain."""
    rest = text.strip().lower()
    rest = re.sub(r"\A(?:[a-z][a-z0-9+.-]*:)?//", "", rest)
    host = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@")[2]
    host = re.sub(r":\d*\Z", "", host).rstrip(".").removeprefix("www.")
    try:
        host = host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if len(host) > 253 or not _DOMAIN.fullmatch(host):
        raise ValueError(f"{text.strip()[:100]!r} is no domain. One looks like example.org.")
    return host
