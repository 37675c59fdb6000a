"""How often each fault is tried: few times in CI, as often as HARDENING.md asks with scripts/faults.

The rule: every count is an environment variable `STOCKGATE_FAULTS_…`; scripts/faults sets them all.
"""

import os
import random
from typing import Final

PREFIX: Final = "STOCKGATE_FAULTS_"


def count(name: str, *, ci: int) -> int:
    """Return how often; `ci` unless the environment says otherwise."""
    return int(os.environ.get(PREFIX + name, ci))


def seconds(name: str, *, ci: float) -> float:
    """Return how long; `ci` unless the environment says otherwise."""
    return float(os.environ.get(PREFIX + name, ci))


SEED: Final = count("SEED", ci=0) or random.SystemRandom().randrange(1, 1_000_000)
# Generous here, for machines that run other tests at the same time; scripts/faults holds to 2 seconds.
READY_SECONDS_MAX: Final = seconds("READY_SECONDS_MAX", ci=30)
