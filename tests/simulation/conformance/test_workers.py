"""See tests/stores/conformance/test_workers.py."""

from tests.stores.conformance.test_workers import *  # noqa: F403
