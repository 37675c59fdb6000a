"""What a file of each kind may hold: its columns, what each means, and how a cell says nothing, a text or "clear".

The rule: a header is taken whole or refused by name; no column is ever skipped because nobody knows it.
"""

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from domain.csv_records import CsvRecord, header_line, records, split_header
from domain.rejections import Refused, Rejection, RejectionCode

CLEAR = "(clear)"
"""The cell that empties a field. An empty cell leaves it as it is; a dash does nothing special, because programs write
it for "nothing known", and a field is not to be lost by that."""
ESCAPE = "'"
"""Before a cell that a spreadsheet would take for a formula, or this module for something else than its text."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SEPARATOR = "|"
"""Between the codes of one cell; a backslash before it (and before itself) makes it a part of a code."""

ATTRIBUTE = "attribute:"
IDENTIFIER = "identifier:"
ERROR_COLUMNS = ("error_row", "error_code", "error_column", "error_message", "error_check")
COLUMNS_MAX = 500


class FileKind(StrEnum):
    """What the rows of a file are about."""

    ITEMS = "items"
    LOCATIONS = "locations"
    LISTINGS = "listings"
    LEVELS = "levels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its name in the header, the contract's name of the field, and what its cells say."""

    name: str
    field: str
    meaning: str
    is_key: bool = False
    is_required: bool = False
    is_clearable: bool = False


def _key(name: str, field: str, meaning: str) -> Column:
    return Column(name=name, field=field, meaning=meaning, is_key=True, is_required=True)


COLUMNS: dict[FileKind, tuple[Column, ...]] = {
    FileKind.ITEMS: (
        _key("sku", "sku", "Which item; it is created if there is none."),
        Column(name="name", field="name", meaning="The item's name for people.", is_clearable=True),
        Column(
            name="product_code",
            field="productCode",
            meaning="The product that it is a variant of.",
            is_clearable=True,
        ),
        Column(
            name="attributes",
            field="attributes",
            meaning='All that tells it from its siblings, as JSON: {"size": "XL", "colour": "red"}.',
            is_clearable=True,
        ),
        Column(
            name="identifiers",
            field="identifiers",
            meaning='All codes that others use for it, as JSON: {"GTIN": "4006381333931"}.',
            is_clearable=True,
        ),
        Column(
            name="is_backorderable",
            field="isBackorderable",
            meaning="`true` or `false`: whether it may be sold while nothing is left.",
            is_clearable=True,
        ),
    ),
    FileKind.LOCATIONS: (
        _key("code", "code", "Which location; it is created if there is none."),
        Column(name="name", field="name", meaning="The location's name for people.", is_clearable=True),
        Column(name="kind", field="kind", meaning="`WAREHOUSE`, `STORE`, `THIRD_PARTY` or `SUPPLIER`."),
        Column(
            name="country_code",
            field="countryCode",
            meaning="Two capital letters (ISO 3166-1 alpha-2).",
            is_clearable=True,
        ),
        Column(
            name="channels",
            field="channelIds",
            meaning="The codes of all channels that it serves: `web|store`.",
            is_clearable=True,
        ),
    ),
    FileKind.LISTINGS: (
        _key("sku", "sku", "Which item; it must exist."),
        _key("channel", "channelId", "The code of the channel; it must exist."),
        Column(
            name="external_key",
            field="externalKey",
            meaning="The channel's own key for the item, such as an ASIN.",
            is_clearable=True,
        ),
    ),
    FileKind.LEVELS: (
        _key("sku", "sku", "Which item; it must exist."),
        _key("location", "locationId", "The code of the location; it must exist."),
        Column(name="on_hand", field="onHand", meaning="How many were counted, in base units.", is_required=True),
        Column(name="quarantined", field="quarantined", meaning="How many of them are set aside for inspection."),
        Column(name="damaged", field="damaged", meaning="How many of them are damaged."),
        Column(name="safety_stock", field="safetyStock", meaning="How many of them are kept back on purpose."),
    ),
}
"""The columns of each kind, in the order in which an export writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns of a file as its header names them, and how its cells are told apart.

    `own_columns` are those that no error file added, `key_columns` those that tell what a row is about, and
    `fixed_columns` those whose cells cannot be cleared.
    """

    kind: FileKind
    delimiter: str
    columns: tuple[str, ...]
    header_row: int = 1
    own_columns: tuple[str, ...] = field(init=False, repr=False, compare=False)
    key_columns: tuple[str, ...] = field(init=False, repr=False, compare=False)
    fixed_columns: frozenset[str] = field(init=False, repr=False, compare=False)
    _key_places: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        of_kind = COLUMNS[self.kind]
        places = {name: place for place, name in enumerate(self.columns)}
        key_columns = tuple(column.name for column in of_kind if column.is_key)
        # Every row is asked for these, so they are looked up once a file.
        for name, value in (
            ("own_columns", tuple(name for name in self.columns if name not in ERROR_COLUMNS)),
            ("key_columns", key_columns),
            ("fixed_columns", frozenset(column.name for column in of_kind if not column.is_clearable)),
            ("_key_places", tuple(places.get(name, len(self.columns)) for name in key_columns)),
        ):
            object.__setattr__(self, name, value)

    def cells_by_column(self, record: CsvRecord) -> dict[str, str]:
        """Return the cells of a record by their columns, as they stand in the file; those that are there."""
        return dict(zip(self.columns, record.cells, strict=False))

    def key_of(self, record: CsvRecord) -> tuple[str, ...]:
        """Return what the record is about, as its cells say it."""
        cells = record.cells
        return tuple([plain_text(cells[place]) if place < len(cells) else "" for place in self._key_places])


def open_table(kind: FileKind, lines: Iterator[str]) -> tuple[Table, Iterator[CsvRecord]] | Refused:
    """Read the header from the lines and return the table with the records that follow, read as they are asked for."""
    row, line = header_line(lines)
    split = split_header(line, is_known=lambda name: is_known_column(kind, name)) if line else None
    if split is None:
        names = ", ".join(column.name for column in COLUMNS[kind])
        finding = "The header cannot be read" if line else "There is no header"
        return _refused((), f"{finding}; the first row names the columns: {names}.")
    delimiter, columns = split
    problems = tuple(_header_problems(kind, columns))
    if problems:
        return Refused(rejections=problems)
    table = Table(kind=kind, delimiter=delimiter, columns=columns, header_row=row)
    return table, records(lines, delimiter=delimiter, first_row=row + 1)


def is_known_column(kind: FileKind, name: str) -> bool:
    """Return whether a file of this kind may have such a column."""
    if kind is FileKind.ITEMS and name.startswith((ATTRIBUTE, IDENTIFIER)):
        return True
    return name in ERROR_COLUMNS or any(column.name == name for column in COLUMNS[kind])


def plain_text(cell: str) -> str:
    """Return the text that a cell stands for: a protecting apostrophe is no part of it."""
    return cell[1:] if cell.startswith(ESCAPE) and _needs_escape(cell[1:]) else cell


def safe_cell(text: str) -> str:
    """Return the cell that stands for a text: no spreadsheet computes it, and `plain_text` gives the text back."""
    return ESCAPE + text if _needs_escape(text) else text


def split_codes(text: str) -> tuple[str, ...]:
    """Return the codes in a cell."""
    codes = [""]
    characters = iter(text)
    for character in characters:
        if character == SEPARATOR:
            codes.append("")
        else:
            codes[-1] += next(characters, "\\") if character == "\\" else character
    return tuple(codes)


def joined_codes(codes: tuple[str, ...]) -> str:
    """Return the text from which `split_codes` gives these codes back."""
    return SEPARATOR.join(code.replace("\\", "\\\\").replace(SEPARATOR, f"\\{SEPARATOR}") for code in codes)


def _needs_escape(text: str) -> bool:
    return text.startswith((ESCAPE, *FORMULA_STARTS)) or text == CLEAR


def _header_problems(kind: FileKind, columns: tuple[str, ...]) -> Iterator[Rejection]:
    if len(columns) > COLUMNS_MAX:
        yield _invalid((), f"There are {len(columns)} columns; a file has at most {COLUMNS_MAX}.")
        return
    for place, name in enumerate(columns, start=1):
        if not is_known_column(kind, name):
            yield _invalid((name,), _unknown_column(kind, name, place))
        elif name in (ATTRIBUTE, IDENTIFIER):
            yield _invalid((name,), f"The column {name} lacks a name behind the colon, such as {name}size.")
    for name, times in Counter(columns).items():
        if times > 1 and name:
            yield _invalid((name,), f"The column {name} is there {times} times; keep one of them.")
    for column in COLUMNS[kind]:
        if column.is_required and column.name not in columns:
            yield _invalid((column.name,), f"The column {column.name} is missing: {column.meaning}")
    for whole, prefix in (("attributes", ATTRIBUTE), ("identifiers", IDENTIFIER)):
        if whole in columns and any(name.startswith(prefix) for name in columns):
            yield _invalid((whole,), f"There are columns {prefix}… beside {whole}, which names them all; keep one way.")


def _unknown_column(kind: FileKind, name: str, place: int) -> str:
    names = [column.name for column in COLUMNS[kind]]
    if not name:
        return f"Column {place} has no name; name it, or remove it."
    if "\udc80" <= max(name) <= "\udcff" or "\x00" in name:
        return "The header is not UTF-8 text; save the file as CSV UTF-8."
    near = difflib.get_close_matches(name.strip().lower().replace(" ", "_"), names, n=1)
    advice = f"did you mean {near[0]}?" if near else f"a file of {kind} has {', '.join(names)}."
    return f"There is no column {name!r}; {advice}"


def _refused(field: tuple[str, ...], message: str) -> Refused:
    return Refused(rejections=(_invalid(field, message),))


def _invalid(field: tuple[str, ...], message: str) -> Rejection:
    return Rejection(code=RejectionCode.INVALID_INPUT, message=message, field=field)
