"""What people paste is brought into one form; so does the page, by the same cases (js/test/trafficlens.test.mjs)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trafficlens.domains import domain_of

CASES = json.loads(Path(__file__).with_name("domains.json").read_text("utf-8"))


@pytest.mark.parametrize(("pasted", "domain"), CASES)
def test_a_domain_has_one_form_and_what_is_none_is_refused(pasted: str, domain: str | None) -> None:
    if domain is not None:
        assert domain_of(pasted) == domain
        assert domain_of(domain) == domain
    else:
        with pytest.raises(ValueError, match="is no domain"):
            domain_of(pasted)


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="is no domain"):
        domain_of("a." * 200 + "com")
