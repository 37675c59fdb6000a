"""`stockgate serve` with a supervisor of little patience, as a program; the one rule: nothing else is different."""

import sys
from typing import Final

from app.processes import serve
from app.settings import Settings
from app.supervisor import Times

TIMES: Final = Times(ready=20.0, stop=6.0, silence=3.0, watch=0.2)


def greet(address: str, *, is_open: bool) -> None:
    """Say what `stockgate serve` says at least."""
    print(f"serves {address}, open: {is_open}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(serve(Settings(), on_listening=lambda: None, on_ready=greet, times=TIMES))
