"""The retailer's order lines, read from the bundled file; the one rule: the text is parsed, and nothing is mended."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ORDER_LINES_FILE = Path(__file__).parent / "data" / "online-retail-2010-12.csv.gz"
CANCELLATION_PREFIX = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line of an invoice; `quantity` is in units and negative for what came back or was written off.

    `customer` is None where the retailer noted none; `description` may be empty.
    """

    invoice: str
    stock_code: str
    description: str
    quantity: int
    invoiced_at: datetime
    customer: int | None
    country: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedItem:
    """One stock code of one invoice, with the quantities of its lines summed."""

    invoice: str
    sku: str
    quantity: int
    invoiced_at: datetime
    customer: int | None
    country: str

    @property
    def is_cancellation(self) -> bool:
        """Whether the invoice takes back an earlier one."""
        return self.invoice.startswith(CANCELLATION_PREFIX)


def read_order_lines(path: Path = ORDER_LINES_FILE) -> tuple[OrderLine, ...]:
    """Read and parse a compressed file of order lines."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        return tuple(parse_order_lines(text))


def parse_order_lines(text: Iterable[str]) -> Iterator[OrderLine]:
    """Yield the order lines of a CSV text; the retailer's clocks show UTC in winter."""
    for row in csv.DictReader(text, strict=True):
        yield OrderLine(
            invoice=row["InvoiceNo"],
            stock_code=row["StockCode"],
            description=row["Description"],
            quantity=int(row["Quantity"]),
            invoiced_at=datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC),
            customer=int(row["CustomerID"]) if row["CustomerID"] else None,
            country=row["Country"],
        )


def sum_by_invoice_and_sku(lines: Iterable[OrderLine]) -> tuple[OrderedItem, ...]:
    """Return one entry per invoice and stock code, in order of time, then invoice, then stock code.

    An entry has the time of its first line.
    """
    firsts: dict[tuple[str, str], OrderLine] = {}
    quantities: dict[tuple[str, str], int] = {}
    for line in lines:
        key = (line.invoice, line.stock_code)
        firsts.setdefault(key, line)
        quantities[key] = quantities.get(key, 0) + line.quantity
    ordered = (
        OrderedItem(
            invoice=line.invoice,
            sku=line.stock_code,
            quantity=quantities[key],
            invoiced_at=line.invoiced_at,
            customer=line.customer,
            country=line.country,
        )
        for key, line in firsts.items()
    )
    return tuple(sorted(ordered, key=lambda one: (one.invoiced_at, one.invoice, one.sku)))
