"""How thorough property tests and state machines are.

They look at the same examples in each run, so that none fails by chance; ``SETTLED_EFFORT=20`` makes them twenty times
as thorough, with other examples each time.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EFFORT = int(os.environ.get("SETTLED_EFFORT", "1"))
settings.register_profile(
    "settled",
    settings(),
    max_examples=100 * EFFORT,
    derandomize=EFFORT == 1,
    deadline=None,  # machines are busy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("settled")
