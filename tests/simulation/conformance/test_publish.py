"""See tests/stores/conformance/test_publish.py."""

from tests.stores.conformance.test_publish import *  # noqa: F403
