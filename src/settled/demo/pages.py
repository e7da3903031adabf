"""The text of the local site: eleven short pages about things that were worth waiting for."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """One page: where it is, what it is called, and what it says."""

    path: str
    title: str
    paragraphs: tuple[str, ...]


PAGES = (
    Page(
        "/",
        "Worth the wait: a small collection",
        ("Some work takes its time. What matters is that one knows by when it will have ended.",),
    ),
    Page(
        "/comet",
        "Halley's Comet keeps its appointments",
        (
            "In 1705 Edmond Halley saw that three comets were one, and said when it would be back. He was right.",
            "It comes round about every 76 years: last in 1986, next in the summer of 2061.",
        ),
    ),
    Page(
        "/pitch",
        "The pitch drop experiment",
        (
            "At room temperature pitch looks solid, and shatters under a hammer. It is a liquid all the same.",
            "A funnel of it was set up in Queensland in 1927. Nine drops have fallen since.",
        ),
    ),
    Page(
        "/cicadas",
        "Seventeen years underground",
        (
            "Periodical cicadas spend 13 or 17 years in the ground, counting, and come up all at once.",
            "Both numbers are primes, so few enemies can keep step with them.",
        ),
    ),
    Page(
        "/bell",
        "A bell that has rung since 1840",
        (
            "The Oxford Electric Bell has rung almost without a pause since 1840, on one pair of dry piles.",
            "Nobody is sure what they are made of: to find out, one would have to stop it.",
        ),
    ),
    Page(
        "/voyager",
        "A signal from Voyager 1",
        (
            "Voyager 1 left in 1977. A command sent to it now needs about a day to arrive, and its answer another.",
            "Its engineers know to the second when they may stop waiting.",
        ),
    ),
    Page(
        "/cathedral",
        "Cologne Cathedral: 632 years",
        (
            "The first stone was laid in 1248. Work stopped about 1560, with a crane left standing on the tower.",
            "The crane stayed for some three hundred years. The cathedral was finished in 1880.",
        ),
    ),
    Page(
        "/wheat",
        "Broadbalk: wheat since 1843",
        (
            "On one field at Rothamsted winter wheat has been sown and measured every year since 1843.",
            "It is among the oldest experiments that are still running, and it publishes its results.",
        ),
    ),
    Page(
        "/organ",
        "As slow as possible",
        (
            "In Halberstadt an organ plays a piece by John Cage, marked: as slow as possible.",
            "It began in 2001, with a rest of seventeen months, and settles in 2640.",
        ),
    ),
    Page(
        "/agave",
        "The century plant flowers once",
        (
            "Agave americana grows for ten to thirty years, then sends up a stalk as tall as a house and flowers.",
            "It does so once. It is the only plant here with a single attempt.",
        ),
    ),
    Page(
        "/basilica",
        "The Sagrada Família",
        (
            "Building began in 1882. Antoni Gaudí gave it more than forty years and was not in a hurry.",
            "His client, he is said to have remarked, was not in a hurry either.",
        ),
    ),
)
