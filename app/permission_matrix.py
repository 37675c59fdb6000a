"""docs/permissions.md: what each role is answered for every field of the schema, worked out from the table.

The rule: nothing is decided here. What a field needs stands in `resolvers.permissions`, what a role may in
`domain.permissions`; the tests run every cell.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_non_null_type,
)

from domain.file_columns import FileKind
from domain.permissions import GRANTS, Permission
from domain.principals import Role
from resolvers.permissions import (
    EMPTIED,
    INTROSPECTION,
    MUTATIONS,
    NODES,
    NULLED,
    QUERIES,
    ROWS,
    SHOWN_WITH_THEIR_PARENT,
    SUBSCRIPTIONS,
    placed_fields,
)

MATRIX_FILE = "docs/permissions.md"
OF_A_REFUSAL = "results"
"""The field of a bulk payload that holds a payload an entry, also when each was refused."""
ROOTS: Mapping[str, Mapping[str, Permission | None]] = {
    "Query": QUERIES,
    "Mutation": MUTATIONS,
    "Subscription": SUBSCRIPTIONS,
}

HEAD = """\
# Permissions

What each role is answered for every field, printed from the gateway's own table by `stockgate permissions --write`.
The tests run every cell of it.

| Sign | Means |
|---|---|
| ✓ | answered |
| empty | a list that is answered empty |
| null | answered with null |
| – | refused: a question or subscription with the error `FORBIDDEN`, before anything is run; a change with \
`FORBIDDEN` among its `userErrors`, an imported row among its own |

What a key sees of channels and locations is no permission but its scope: a channel or location outside of it, and all
that hangs on it, is answered like one that does not exist. A key with a scope may never manage accounts.
"""
OF_TYPES = """\
These fields show what their parent was allowed to bring. Where a role has no way to the parent, there is a –; where a
change is refused, its payload tells only that.
"""


class Cell(StrEnum):
    """What a role is answered for a field."""

    SHOWN = "✓"
    EMPTY = "empty"
    NULL = "null"
    REFUSED = "–"


Row = tuple[str, tuple[Cell, ...]]
"""A field, or several that are answered alike, and a cell for each role."""


def cells_of(schema: GraphQLSchema, role: Role) -> dict[str, Cell]:
    """Return what the role is answered for each placed field, as `Type.field`."""
    cells = dict.fromkeys(placed_fields(), Cell.REFUSED)
    refused_payloads: set[str] = set()
    reached: set[str] = set()
    for root, needs in ROOTS.items():
        for name, needed in needs.items():
            is_granted = needed is None or needed in GRANTS[role]
            cells[f"{root}.{name}"] = Cell.SHOWN if is_granted else Cell.REFUSED
            field = _object(schema, root).fields[name]
            if is_granted:
                reached |= _types_behind(schema, field, role)
            elif root == "Mutation":
                refused_payloads |= _types_behind(schema, field, role)
    for type_name in sorted(_closed(schema, reached, role)):
        cells.update(_shown(schema, type_name, role))
    cells.update(_of_refused_payloads(schema, refused_payloads - reached, role))
    return cells | _of_rows(role)


def printed_matrix(schema: GraphQLSchema) -> str:
    """Return docs/permissions.md as the file holds it."""
    return "\n".join(_lines(schema)) + "\n"


def write_matrix(project: Path, schema: GraphQLSchema) -> None:
    """Write docs/permissions.md."""
    file = project / MATRIX_FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(printed_matrix(schema), encoding="utf-8")


def matrix_is_current(project: Path, schema: GraphQLSchema) -> bool:
    """Return whether docs/permissions.md is what the code says."""
    file = project / MATRIX_FILE
    return file.exists() and file.read_text(encoding="utf-8") == printed_matrix(schema)


def _closed(schema: GraphQLSchema, types: set[str], role: Role) -> set[str]:
    """Return the types and all those that their fields lead the role to."""
    reached: set[str] = set()
    waiting = set(types)
    while waiting:
        type_name = waiting.pop()
        reached.add(type_name)
        shown = _shown(schema, type_name, role)
        fields = _object(schema, type_name).fields
        followed = (fields[name] for name in fields if shown[f"{type_name}.{name}"] is Cell.SHOWN)
        waiting |= {found for field in followed for found in _types_behind(schema, field, role)} - reached
    return reached


def _types_behind(schema: GraphQLSchema, field: GraphQLField, role: Role) -> set[str]:
    """Return the types of which the role may be answered an object by the field."""
    named = get_named_type(field.type)
    if isinstance(named, GraphQLObjectType):
        return {named.name}
    if isinstance(named, GraphQLUnionType):
        return {one.name for one in named.types}
    if isinstance(named, GraphQLInterfaceType):
        return {named.name} | {name for name, needed in NODES.items() if needed in GRANTS[role]}
    return set()


def _shown(schema: GraphQLSchema, type_name: str, role: Role) -> dict[str, Cell]:
    """Return the cells of a type of which the role is answered objects."""
    return {one: _bare(one, role) or Cell.SHOWN for one in _coordinates(schema, type_name)}


def _coordinates(schema: GraphQLSchema, type_name: str) -> list[str]:
    return [f"{type_name}.{name}" for name in _object(schema, type_name).fields]


def _bare(coordinate: str, role: Role) -> Cell | None:
    """Return how a field is kept from the role; None where it is not."""
    for table, cell in ((EMPTIED, Cell.EMPTY), (NULLED, Cell.NULL)):
        if table.get(coordinate) not in (None, *GRANTS[role]):
            return cell
    return None


def _of_refused_payloads(schema: GraphQLSchema, types: set[str], role: Role) -> dict[str, Cell]:
    """Return the cells of payloads that only ever say FORBIDDEN to the role, and of the errors in them."""
    cells: dict[str, Cell] = {}
    for type_name in sorted(types):
        for name, field in _object(schema, type_name).fields.items():
            coordinate = f"{type_name}.{name}"
            if coordinate in EMPTIED:
                cells[coordinate] = Cell.EMPTY
            else:
                cells[coordinate] = Cell.SHOWN if is_non_null_type(field.type) else Cell.NULL
            if name == OF_A_REFUSAL:
                entries = _types_behind(schema, field, role)
                cells |= _of_refused_payloads(schema, entries, role)
    return cells | (_shown(schema, "UserError", role) if types else {})


def _of_rows(role: Role) -> dict[str, Cell]:
    """Return the cells of `rowsImport` that are bare for the role: it may import some kinds of rows, or none."""
    cells: dict[str, Cell] = {}
    if ROWS[FileKind.LEVELS] not in GRANTS[role]:
        cells["RowsImportPayload.run"] = Cell.NULL
    if not GRANTS[role] & {*ROWS.values()}:
        cells |= {"RowsImportPayload.results": Cell.EMPTY, "RowsImportPayload.errorFile": Cell.NULL}
        fields = SHOWN_WITH_THEIR_PARENT["RowImportResult"].split()
        cells |= {f"RowImportResult.{name}": Cell.REFUSED for name in fields}
    return cells


def _object(schema: GraphQLSchema, type_name: str) -> GraphQLObjectType | GraphQLInterfaceType:
    found = schema.type_map[type_name]
    if not isinstance(found, GraphQLObjectType | GraphQLInterfaceType):
        raise TypeError(f"{type_name} has no fields")
    return found


def _lines(schema: GraphQLSchema) -> Iterator[str]:
    cells = {role: cells_of(schema, role) for role in Role}
    placed = placed_fields()
    yield HEAD
    for permission in (None, *Permission):
        fields = [name for name, needed in placed.items() if needed is permission and _is_decided(name)]
        rows: list[Row] = [(f"`{name}`", tuple(cells[role][name] for role in Role)) for name in fields]
        rows += _node_rows(permission) + _row_rows(permission)
        if permission is Permission.INTROSPECT:
            rows += _introspection_rows()
        if rows:
            yield "## Everybody" if permission is None else f"## `{permission}`"
            yield ""
            yield from _table("Field", rows)
    yield "## Shown with their parent"
    yield ""
    yield OF_TYPES
    yield from _table("Fields", _rows_of_types(cells))


def _is_decided(coordinate: str) -> bool:
    """Return whether the table says for this very field what it needs."""
    return coordinate.partition(".")[0] in ROOTS or coordinate in EMPTIED or coordinate in NULLED


def _node_rows(permission: Permission | None) -> list[Row]:
    needed = sorted(name for name, one in NODES.items() if one is permission)
    cells = tuple(Cell.SHOWN if permission in GRANTS[role] else Cell.NULL for role in Role)
    return [(f"`Query.node` of {name}", cells) for name in needed]


def _row_rows(permission: Permission | None) -> list[Row]:
    needed = [kind for kind, one in ROWS.items() if one is permission]
    cells = tuple(Cell.SHOWN if permission in GRANTS[role] else Cell.REFUSED for role in Role)
    return [(f"`Mutation.rowsImport` of {kind}", cells) for kind in needed]


def _introspection_rows() -> list[Row]:
    cells = tuple(Cell.SHOWN if Permission.INTROSPECT in GRANTS[role] else Cell.REFUSED for role in Role)
    return [(f"`{name}`, in production", cells) for name in sorted(INTROSPECTION)]


def _rows_of_types(cells: Mapping[Role, Mapping[str, Cell]]) -> Iterator[Row]:
    for type_name, names in SHOWN_WITH_THEIR_PARENT.items():
        alike: dict[tuple[Cell, ...], list[str]] = {}
        for name in names.split():
            alike.setdefault(tuple(cells[role][f"{type_name}.{name}"] for role in Role), []).append(f"`{name}`")
        yield from ((f"{type_name}: {', '.join(fields)}", row) for row, fields in alike.items())


def _table(first: str, rows: Iterable[Row]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(Role)} |"
    yield f"|---|{'---|' * len(Role)}"
    yield from (f"| {name} | {' | '.join(row)} |" for name, row in rows)
    yield ""
