"""docs/permissions.md and `stockgate permissions`; the one rule: what is printed is what the table says."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli_permissions
from app.cli import app
from app.permission_matrix import MATRIX_FILE, Cell, cells_of, matrix_is_current, printed_matrix, write_matrix
from domain.principals import Role
from resolvers.permissions import placed_fields
from resolvers.schema import build_schema

PROJECT = Path(__file__).resolve().parent.parent.parent
SCHEMA = build_schema()._schema


def test_the_file_is_what_the_code_says() -> None:
    """Given docs/permissions.md, then it is what the table prints today."""
    assert matrix_is_current(PROJECT, SCHEMA)
    assert cli_permissions.MATRIX_FILE == MATRIX_FILE


def test_every_placed_field_has_a_cell_for_every_role() -> None:
    """Given each role, then what it is answered is said of every placed field, and of no other."""
    for role in Role:
        assert set(cells_of(SCHEMA, role)) == set(placed_fields())


def test_every_placed_field_is_printed() -> None:
    """Given the printed matrix, then each field's name stands in it."""
    printed = printed_matrix(SCHEMA)
    missing = [
        name for name in placed_fields() if f"`{name}`" not in printed and f"`{name.partition('.')[2]}`" not in printed
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("role", "field", "cell"),
    [
        (Role.STOREFRONT, "Query.availability", Cell.SHOWN),
        (Role.STOREFRONT, "Query.movements", Cell.REFUSED),
        (Role.STOREFRONT, "InventoryItem.levels", Cell.EMPTY),
        (Role.STOREFRONT, "StockLevel.onHand", Cell.REFUSED),
        (Role.DASHBOARD, "Mutation.inventoryAdjust", Cell.REFUSED),
        (Role.DASHBOARD, "InventoryAdjustPayload.inventoryItem", Cell.NULL),
        (Role.DASHBOARD, "InventoryAdjustPayload.levels", Cell.EMPTY),
        (Role.DASHBOARD, "InventoryAdjustPayload.userErrors", Cell.SHOWN),
        (Role.CHANNEL, "InventoryAdjustPayload.syncStatus", Cell.SHOWN),
        (Role.CHANNEL, "InventoryAdjustPayload.levels", Cell.EMPTY),
        (Role.BACKOFFICE, "ApiKeyPayload.token", Cell.NULL),
        (Role.ADMIN, "ApiKeyPayload.token", Cell.SHOWN),
    ],
)
def test_a_cell_says_what_the_role_is_answered(role: Role, field: str, cell: Cell) -> None:
    """Given a role and a field, then the cell follows from the table and the grants."""
    assert cells_of(SCHEMA, role)[field] is cell


def test_the_command_prints_writes_and_compares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given another directory, then --check fails until --write has written what the command prints."""
    monkeypatch.setattr(cli_permissions, "PROJECT", tmp_path)
    runner = CliRunner()
    assert runner.invoke(app, ["permissions", "--check"]).exit_code == 1
    assert runner.invoke(app, ["permissions", "--write"]).exit_code == 0
    assert runner.invoke(app, ["permissions", "--check"]).exit_code == 0
    printed = runner.invoke(app, ["permissions"])
    assert (tmp_path / MATRIX_FILE).read_text(encoding="utf-8") == printed.stdout


def test_a_file_that_says_something_else_is_noticed(tmp_path: Path) -> None:
    """Given a file with one cell more granted, then it is not current."""
    write_matrix(tmp_path, SCHEMA)
    file = tmp_path / MATRIX_FILE
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("| – | ✓ |", "| ✓ | ✓ |", 1), encoding="utf-8")
    assert not matrix_is_current(tmp_path, SCHEMA)
