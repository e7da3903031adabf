"""The site's pages as HTML: a domain's figures in this year's layout and the next one, and the front page."""

from __future__ import annotations

import html
from collections.abc import Iterable

from trafficlens.site.figures import Figures

_STYLE = (
    "body{max-width:38em;margin:3em auto;padding:0 1.2em;font:1rem/1.6 Georgia,serif;color-scheme:light dark}"
    "dt{float:left;clear:left;width:11em}li{margin:.2em 0}"
)


def page(title: str, body: str) -> bytes:
    """A whole page of the site."""
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
    return f"{head}<style>{_STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>".encode()


def figures_page(figures: Figures) -> bytes:
    """A domain's page: each figure is the ``data-value`` of an element that says what it is."""
    months = "".join(
        f"<li data-month='{month}' data-value='{visits}'>{month}: {visits:,}"
        for month, visits in figures.history.items()
    )
    sources = "".join(
        f"<li data-source='{name}' data-value='{share}'>{name}: {share:.1%}" for name, share in figures.sources.items()
    )
    category = html.escape(figures.category)
    body = (
        f"<p data-metric='category' data-value='{category}'>{category}</p><dl>"
        f"<dt>Visits a month<dd data-metric='visits' data-value='{figures.visits}'>{figures.visits:,}"
        f"<dt>Growth<dd data-metric='growth' data-value='{figures.growth:.4f}'>{figures.growth:+.1%}"
        f"<dt>Visit duration<dd data-metric='duration' data-value='{figures.duration}'>{figures.duration} s"
        f"<dt>Pages a visit<dd data-metric='pages' data-value='{figures.pages}'>{figures.pages}"
        f"<dt>Bounce rate<dd data-metric='bounce' data-value='{figures.bounce}'>{figures.bounce:.1%}</dl>"
        f"<h2>Sources</h2><ul>{sources}</ul><h2>History</h2><ol>{months}</ol>"
        f"<p data-metric='basis' data-value='{figures.basis}'>These figures are {figures.basis}.</p>"
    )
    return page(figures.domain, body)


def redesigned_page(figures: Figures) -> bytes:
    """The same for people, and nothing that a program would find again."""
    return page(figures.domain, f"<p>Our new look: <b>{figures.visits / 1e6:.1f}M</b> visits, and more to come.</p>")


def empty_page(domain: str) -> bytes:
    """A good answer that says there is nothing to say."""
    return page(domain, f"<p data-metric='nothing' data-value='true'>We have no data for {html.escape(domain)}.</p>")


def front_page(count: int, kinds: Iterable[tuple[str, str]]) -> bytes:
    """What the site is, and how it can be made to misbehave."""
    listed = "".join(f"<li><code>{name}.test</code>: {what}" for name, what in kinds)
    return page(
        "A stand-in",
        f"<p>Pages for {count:,} well-known domains, as <code>/website/DOMAIN</code>, stand in for a real site. Their "
        "figures are not measured: <code>SOURCES.md</code> says what they come from.</p>"
        "<p>Domains that end in <code>.test</code> misbehave by their names, "
        f"and so does <code>anything.hangs.test</code>:</p><ul>{listed}</ul>",
    )
