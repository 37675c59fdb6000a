"""What all tests of the domain share; the one rule: a slow machine fails no test, and failures repeat."""

import os

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.domain.given")
settings.register_profile("domain", deadline=None, derandomize="STOCKGATE_MODEL_EXAMPLES" not in os.environ)
settings.load_profile("domain")
