"""See tests/stores/conformance/test_batches.py."""

from tests.stores.conformance.test_batches import *  # noqa: F403
