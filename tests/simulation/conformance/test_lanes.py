"""See tests/stores/conformance/test_lanes.py."""

from tests.stores.conformance.test_lanes import *  # noqa: F403

del test_stores_that_race_for_a_lane_never_overfill_it  # noqa: F821  # threads: here only fibers race
del test_a_rate_is_forgotten_when_it_has_no_say_any_more  # noqa: F821  # read by SQL
del test_whatever_happens_the_limits_hold  # noqa: F821  # over the worlds of the others: see test_beside_sqlite
