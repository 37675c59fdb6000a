"""How a process that serves may end before it does; the one rule: what its operator can mend is told in a sentence."""

from typing import Final

REFUSED: Final = 2
"""The exit code where the gateway cannot be served as it is set up."""
START_FAILED: Final = 3
"""The exit code where it could not be opened for a reason that has no sentence of its own."""
OPEN_TO_OTHERS: Final = (
    "{host} is not a loopback address, and this gateway has no keys yet, so whoever reached it could do everything; "
    "use 127.0.0.1, or create a key first: stockgate migrate, then stockgate keys create --account NAME --role ADMIN"
)


class CannotServe(Exception):
    """The gateway cannot be served, and never will be as it is set up.

    The text says what to do, in a sentence without its full stop.
    """
