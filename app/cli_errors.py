"""`stockgate errors`: the error reference on the command line; the one rule: it says what docs/errors.md says."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli_common import console, fail
from app.error_reference import REFERENCE_FILE, explained, is_current, printed_reference, write_reference

PROJECT = Path(__file__).resolve().parent.parent


def errors(
    code: Annotated[str | None, typer.Argument(help="The code to explain; without it, all are printed.")] = None,
    check: Annotated[bool, typer.Option("--check", help=f"Compare with {REFERENCE_FILE} instead of printing.")] = False,
    write: Annotated[bool, typer.Option("--write", help=f"Write {REFERENCE_FILE}.")] = False,
) -> None:
    """Explain an error code: what it means, why it comes, what to do. Or print, write or check the whole reference."""
    if write:
        write_reference(PROJECT)
    elif check:
        if not is_current(PROJECT):
            console.print(f"[red]✗[/red] {REFERENCE_FILE} is not what the code says; run `stockgate errors --write`")
            raise typer.Exit(1)
        console.print(f"{REFERENCE_FILE} is what the code says")
    else:
        text = printed_reference() if code is None else explained(code.upper())
        if text is None:
            fail(f"there is no code {code}; `stockgate errors` lists them all")
        sys.stdout.write(text + "\n")
