"""`stockgate permissions`: the permission matrix on the command line; the one rule: it says what docs/permissions.md
says.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli_common import console

PROJECT = Path(__file__).resolve().parent.parent
MATRIX_FILE = "docs/permissions.md"


def permissions(
    check: Annotated[bool, typer.Option("--check", help=f"Compare with {MATRIX_FILE} instead of printing.")] = False,
    write: Annotated[bool, typer.Option("--write", help=f"Write {MATRIX_FILE}.")] = False,
) -> None:
    """Print what each role is answered for every field of the schema, write it, or check the file."""
    from app.permission_matrix import matrix_is_current, printed_matrix, write_matrix  # noqa: PLC0415  # --help is quick
    from resolvers.schema import build_schema  # noqa: PLC0415  # as above

    schema = build_schema()._schema
    if write:
        write_matrix(PROJECT, schema)
    elif not check:
        sys.stdout.write(printed_matrix(schema))
    elif matrix_is_current(PROJECT, schema):
        console.print(f"{MATRIX_FILE} is what the code says")
    else:
        console.print(f"[red]✗[/red] {MATRIX_FILE} is not what the code says; run `stockgate permissions --write`")
        raise typer.Exit(1)
