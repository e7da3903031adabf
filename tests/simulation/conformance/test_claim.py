"""See tests/stores/conformance/test_claim.py."""

from tests.stores.conformance.test_claim import *  # noqa: F403

del test_stores_that_race_for_tasks_share_them_out  # noqa: F821  # threads: here only fibers race
