"""See tests/stores/conformance/test_reading.py."""

from tests.stores.conformance.test_reading import *  # noqa: F403

del test_a_store_knows_whether_there_is_a_ledger_and_makes_none  # noqa: F821  # there always is one
