"""The matrix itself: every field of the schema, asked for by every role, is answered as the table says."""

import pytest

from app.permission_matrix import Cell, cells_of
from domain import permissions
from domain.file_columns import FileKind
from domain.permissions import Permission
from domain.principals import Role
from resolvers import permissions as table
from resolvers.permissions import NODES, ROWS, PermissionGate
from resolvers.schema import build_schema
from tests.permissions.ground import caller
from tests.permissions.report import Report
from tests.permissions.runs import FORBIDDEN, Matrix, codes_of

ROOTS = ("Query", "Mutation", "Subscription")


async def executed(matrix: Matrix, role: Role, coordinates: list[str]) -> dict[str, Cell]:
    """Return what a caller with this role is answered for each of the fields."""
    by = caller(role)
    of_root = {entry.field: entry for entry in reversed(list(matrix.entries.values()))}
    return {
        one: await (
            matrix.root_cell(of_root[one], by) if one.partition(".")[0] in ROOTS else matrix.field_cell(one, by)
        )
        for one in coordinates
    }


async def differences(
    matrix: Matrix, expected: dict[Role, dict[str, Cell]], *coordinates: str
) -> set[tuple[str, Role]]:
    """Return where what is answered is not what was expected, among these fields."""
    found = {role: await executed(matrix, role, list(coordinates)) for role in Role}
    return {(one, role) for role in Role for one in coordinates if found[role][one] is not expected[role][one]}


@pytest.mark.parametrize("role", Role)
async def test_every_field_is_answered_as_the_table_says(matrix: Matrix, report: Report, role: Role) -> None:
    """Given a role, when each field is asked for by an operation of its own, then the answer is the table's."""
    expected = cells_of(matrix.schema._schema, role)
    found = await executed(matrix, role, list(expected))
    report.own |= {(name, role): cell for name, cell in found.items()}
    assert {name: cell for name, cell in found.items() if cell is not expected[name]} == {}


@pytest.mark.parametrize("role", Role)
async def test_each_kind_of_node_is_answered_or_null(matrix: Matrix, report: Report, role: Role) -> None:
    """Given a role, when a node of its own is asked for, then it is there, or null where the role may not see it."""
    found, expected = {}, {}
    for kind, needed in NODES.items():
        answer = await matrix.answer(entry := matrix.entries[f"node of {kind}"], "__typename", entry.own, caller(role))
        found[kind] = answer
        is_granted = needed in permissions.GRANTS[role]
        expected[kind] = {"data": {"node": {"__typename": kind} if is_granted else None}}
        report.own[f"Query.node of {kind}", role] = Cell.SHOWN if answer["data"]["node"] else Cell.NULL
    assert found == expected


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("question", ["{ __schema { queryType { name } } }", '{ __type(name: "Query") { name } }'])
async def test_only_some_roles_read_the_schema_in_production(matrix: Matrix, role: Role, question: str) -> None:
    """Given a gateway in production, when a role asks for the schema, then only those that may are answered."""
    context = matrix.context(caller(role))
    refused = role is Role.STOREFRONT
    for schema, is_refused in ((build_schema(shows_schema=False), refused), (build_schema(shows_schema=True), False)):
        result = await schema.execute(question, context_value=context)
        codes = [(one.extensions or {}).get("code") for one in result.errors or ()]
        assert codes == ([FORBIDDEN] if is_refused else [])
        assert (result.data is None) is is_refused


async def test_a_permission_that_is_granted_by_mistake_is_noticed(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given that storefronts may suddenly see stock, when the matrix is run, then it differs where they see more."""
    expected = {role: cells_of(matrix.schema._schema, role) for role in Role}
    fields = ("InventoryItem.levels", "InventoryItem.name", "StockLevel.onHand")
    assert await differences(matrix, expected, *fields) == set()
    wider = permissions.GRANTS[Role.STOREFRONT] | {Permission.READ_STOCK}
    monkeypatch.setitem(permissions.GRANTS, Role.STOREFRONT, wider)
    assert await differences(matrix, expected, *fields) == {
        ("InventoryItem.levels", Role.STOREFRONT),
        ("StockLevel.onHand", Role.STOREFRONT),
    }


async def test_a_permission_that_is_lost_by_mistake_is_noticed(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given that channels may no longer adjust, when the matrix is run, then it differs where they are refused."""
    expected = {role: cells_of(matrix.schema._schema, role) for role in Role}
    narrower = permissions.GRANTS[Role.CHANNEL] - {Permission.ADJUST_STOCK}
    monkeypatch.setitem(permissions.GRANTS, Role.CHANNEL, narrower)
    fields = ("Mutation.inventoryAdjust", "Mutation.inventorySet", "InventoryAdjustPayload.adjustment")
    assert await differences(matrix, expected, *fields) == {
        ("Mutation.inventoryAdjust", Role.CHANNEL),
        ("InventoryAdjustPayload.adjustment", Role.CHANNEL),
    }


@pytest.mark.parametrize(
    ("part", "entry", "field", "affected"),
    [
        ("QUERIES", "viewer", "Query.viewer", {Role.STOREFRONT}),
        ("SUBSCRIPTIONS", "availabilityChanged", "Subscription.availabilityChanged", {Role.STOREFRONT}),
        ("MUTATIONS", "listingUpsertBulk", "Mutation.listingUpsertBulk", {Role.DASHBOARD, Role.PARTNER}),
        ("EMPTIED", "InventoryItem.syncStatus", "InventoryItem.syncStatus", {Role.PARTNER}),
    ],
)
async def test_a_wrong_entry_of_the_table_is_noticed(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch, part: str, entry: str, field: str, affected: set[Role]
) -> None:
    """Given an entry of the table that names INTROSPECT, when the matrix is run, then it is not what is answered."""
    monkeypatch.setitem(getattr(table, part), entry, Permission.INTROSPECT)
    expected = {role: cells_of(matrix.schema._schema, role) for role in Role}
    assert await differences(matrix, expected, field) == {(field, role) for role in affected}


async def test_a_gate_that_is_left_out_is_noticed(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a schema without its gate, when the matrix is run, then what ought to be refused differs."""
    expected = {role: cells_of(matrix.schema._schema, role) for role in Role}
    monkeypatch.setattr(PermissionGate, "refusals", lambda *_: [])
    assert await differences(matrix, expected, "Query.movements", "Query.channels") == {
        ("Query.movements", Role.STOREFRONT),
        ("Query.movements", Role.CHANNEL),
    }


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("kind", ROWS)
async def test_each_kind_of_row_is_imported_or_refused(
    matrix: Matrix, report: Report, role: Role, kind: FileKind
) -> None:
    """Given a role, when rows are imported, then they are refused where the role may not change such."""
    found = set()
    for name in (f"rowsImport of {kind.upper()}", f"rowsImport of {kind.upper()} dry"):
        entry = matrix.entries[name]
        answer = await matrix.answer(
            entry, "userErrors { code } results { userErrors { code } }", await matrix.own_values(entry), caller(role)
        )
        codes = codes_of(answer["data"]["rowsImport"])
        found.add(Cell.REFUSED if FORBIDDEN in codes else Cell.SHOWN)
        assert codes in ([], [FORBIDDEN], ["ITEM_NOT_FOUND"]), codes
    (cell,) = found
    report.own[f"Mutation.rowsImport of {kind}", role] = cell
    assert cell is (Cell.SHOWN if ROWS[kind] in permissions.GRANTS[role] else Cell.REFUSED)


@pytest.mark.parametrize(
    "document",
    [
        "{ harmless: accounts { nodes { code } } }",
        "{ ...page } fragment page on Query { accounts { nodes { code } } }",
        "{ ... on Query { ... { accounts { nodes { code } } } } }",
        "{ viewer { role } accounts @include(if: true) { nodes { code } } }",
        "query($never: Boolean = false) { viewer { role } accounts @include(if: $never) { nodes { code } } }",
        "query one { viewer { role } } query two { accounts { nodes { code } } }",
    ],
)
async def test_no_spelling_leads_round_the_gate(matrix: Matrix, document: str) -> None:
    """Given a field that is not for the role, when it is asked for in whatever way, then nothing is run."""
    for role in Role:
        name = "two" if "two" in document else None
        context = matrix.context(caller(role))
        result = await matrix.schema.execute(document, context_value=context, operation_name=name)
        codes = [(one.extensions or {}).get("code") for one in result.errors or ()]
        assert codes == ([] if role is Role.ADMIN else [FORBIDDEN])
        assert (result.data is None) is (role is not Role.ADMIN)


async def test_an_operation_is_not_refused_for_what_another_one_of_its_document_names(matrix: Matrix) -> None:
    """Given a document with an operation that is not for the role, when another is asked for, then that is run."""
    document = "query one { viewer { role } } query two { accounts { nodes { code } } }"
    context = matrix.context(caller(Role.STOREFRONT))
    result = await matrix.schema.execute(document, context_value=context, operation_name="one")
    assert (result.data, result.errors) == ({"viewer": {"role": "STOREFRONT"}}, None)
