"""See tests/stores/conformance/test_insert.py."""

from tests.stores.conformance.test_insert import *  # noqa: F403
