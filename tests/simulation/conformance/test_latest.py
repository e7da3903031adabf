"""See tests/stores/conformance/test_latest.py."""

from tests.stores.conformance.test_latest import *  # noqa: F403

# Threads: here only fibers race.
del test_many_stores_at_once_start_one_refresh  # noqa: F821
del test_starting_and_settling_many_keys_at_once_ends  # noqa: F821
# By hand, in SQL.
del test_the_database_refuses_to_lose_a_value  # noqa: F821
del test_a_refresh_that_a_hand_settles_by_sql_counts_too  # noqa: F821
