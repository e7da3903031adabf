"""See tests/stores/conformance/test_prune.py."""

from tests.stores.conformance.test_prune import *  # noqa: F403
