"""Colours, light and dark, and the few words that every picture needs."""

from __future__ import annotations

from html import escape

from bench.zombies.grading import ABSENT, BROKEN, LIE, MUTE, SETTLED, ZOMBIE

LIGHT = {
    "paper": "#ffffff", "ink": "#1d2530", "faint": "#6b7684", "line": "#e3e7ec",
    SETTLED: "#a9dccb", MUTE: "#f0cf6b", LIE: "#ee9450", ZOMBIE: "#b8252b", ABSENT: "#f4f6f8", BROKEN: "#c9ced6",
}  # fmt: skip
DARK = {
    "paper": "#10151b", "ink": "#e6eaf0", "faint": "#8d98a7", "line": "#26303b",
    SETTLED: "#2c6a5c", MUTE: "#a8862c", LIE: "#d0742f", ZOMBIE: "#f0514f", ABSENT: "#161d25", BROKEN: "#4a5460",
}  # fmt: skip
SHORT = {
    SETTLED: "told the truth, with a reason",
    MUTE: "told that it failed, not why",
    LIE: "told what is not so",
    ZOMBIE: "told nothing for a minute: a zombie",
    ABSENT: "cannot happen there",
    BROKEN: "not measured",
}
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def style() -> str:
    """CSS for a picture: one class for each colour, which follows the reader's scheme."""

    def rules(colours: dict[str, str]) -> str:
        return "".join(f".{name}{{fill:{colour}}}" for name, colour in colours.items())

    return (
        f"text{{font-family:{FONT};font-size:12px}}{rules(LIGHT)}"
        f"@media(prefers-color-scheme:dark){{{rules(DARK)}}}"
        ".bold{font-weight:650}.small{font-size:11px}.large{font-size:17px;font-weight:650}"
    )


def escaped(said: str) -> str:
    """As XML may have it: what is told may hold anything, an escape character too."""
    return "".join(letter for letter in escape(said) if letter.isprintable() or letter == "\n")


def text(x: float, y: float, said: str, kind: str = "ink", anchor: str = "start", more: str = "") -> str:
    """One line of text."""
    safe = escaped(said)
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}"{more}>{safe}</text>'


def box(x: float, y: float, width: float, height: float, kind: str, radius: float = 2) -> str:
    """One rectangle."""
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="{radius:g}" class="{kind}"/>'


def picture(width: float, height: float, label: str, parts: list[str]) -> str:
    """A whole SVG, on paper of its own."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{label}"><style>{style()}</style>'
        + box(0, 0, width, height, "paper", radius=0) + "\n".join(parts) + "</svg>\n"
    )  # fmt: skip
