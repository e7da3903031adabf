"""What a program wrote into the pages is what it would write now; see ``made``."""

from __future__ import annotations

import pytest

from tests.docs.made import MAKERS, essence
from tests.docs.pages import Made, made_parts

PARTS = list(made_parts())


@pytest.mark.xdist_group("made")
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_made_part_is_up_to_date(part: Made) -> None:
    assert essence(part.text) == essence(MAKERS[part.name]()), "write it anew: python -m tests.docs.made"


def test_no_made_part_of_these_says_where_it_was_made() -> None:
    for part in PARTS:
        assert "/tmp/" not in part.text
        assert "/home/" not in part.text


def test_every_table_is_in_a_page() -> None:
    wanted = {name for name in MAKERS if not name.startswith(("http-", "cli-"))}
    assert wanted <= {part.name for part in PARTS}
