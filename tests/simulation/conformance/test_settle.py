"""See tests/stores/conformance/test_settle.py."""

from tests.stores.conformance.test_settle import *  # noqa: F403
