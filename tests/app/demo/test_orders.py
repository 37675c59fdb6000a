"""The retailer's order lines: the bundled file is the original, and is read as it stands."""

import gzip
import hashlib
from collections import Counter
from datetime import UTC, datetime

import pytest

from app.demo.orders import (
    ORDER_LINES_FILE,
    OrderedItem,
    OrderLine,
    parse_order_lines,
    read_order_lines,
    sum_by_invoice_and_sku,
)

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n"
ORIGINAL_SHA256 = "d5aa04aa368c9d7b82c39ffc59507fdd2e5389dbe35e8b877760ef1d3e6cadc6"


def line(*, invoice: str = "536365", sku: str = "71053", quantity: int = 6, minute: int = 26) -> OrderLine:
    return OrderLine(
        invoice=invoice,
        stock_code=sku,
        description="WHITE METAL LANTERN",
        quantity=quantity,
        invoiced_at=datetime(2010, 12, 1, 8, minute, tzinfo=UTC),
        customer=17850,
        country="United Kingdom",
    )


def test_bundled_file_is_the_original_and_only_compressed() -> None:
    content = ORDER_LINES_FILE.read_bytes()
    assert hashlib.sha256(gzip.decompress(content)).hexdigest() == ORIGINAL_SHA256
    assert content[3:8] == bytes(5), "no file name, and no time, so that packing it again gives the same bytes"
    assert ORIGINAL_SHA256 in (ORDER_LINES_FILE.parent / "ATTRIBUTION.md").read_text()


def test_bundled_file_holds_ten_thousand_lines_of_the_week() -> None:
    lines = read_order_lines()
    assert len(lines) == 10_000
    assert len({one.invoice for one in lines}) == 512
    assert min(one.invoiced_at for one in lines) == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
    assert max(one.invoiced_at for one in lines) == datetime(2010, 12, 5, 16, 24, tzinfo=UTC)
    assert sum(one.customer is None for one in lines) == 2291
    assert sum(not one.description for one in lines) == 42
    is_negative_by_is_cancelled = Counter((one.invoice.startswith("C"), one.quantity < 0) for one in lines)
    assert is_negative_by_is_cancelled == {(False, False): 9870, (False, True): 30, (True, True): 100}


def test_line_is_parsed_exactly() -> None:
    text = HEADER + '536365,71053,"LANTERN, ""WHITE""",-6,2010-12-01T08:26,3.39,17850,United Kingdom\r\n'
    assert list(parse_order_lines(text.splitlines(keepends=True))) == [
        OrderLine(
            invoice="536365",
            stock_code="71053",
            description='LANTERN, "WHITE"',
            quantity=-6,
            invoiced_at=datetime(2010, 12, 1, 8, 26, tzinfo=UTC),
            customer=17850,
            country="United Kingdom",
        )
    ]


def test_line_may_lack_a_customer_and_a_description() -> None:
    text = HEADER + "536414,22139,,56,2010-12-01T11:52,0,,United Kingdom\r\n"
    (found,) = parse_order_lines(text.splitlines(keepends=True))
    assert (found.customer, found.description) == (None, "")


def test_line_with_a_broken_quantity_is_an_error() -> None:
    text = HEADER + "536414,22139,,many,2010-12-01T11:52,0,,United Kingdom\r\n"
    with pytest.raises(ValueError, match="many"):
        list(parse_order_lines(text.splitlines(keepends=True)))


def test_lines_of_one_invoice_and_sku_are_summed_at_the_time_of_the_first() -> None:
    summed = sum_by_invoice_and_sku([line(quantity=6), line(quantity=-2, minute=27), line(invoice="536366", minute=20)])
    assert summed == (
        OrderedItem(
            invoice="536366",
            sku="71053",
            quantity=6,
            invoiced_at=datetime(2010, 12, 1, 8, 20, tzinfo=UTC),
            customer=17850,
            country="United Kingdom",
        ),
        OrderedItem(
            invoice="536365",
            sku="71053",
            quantity=4,
            invoiced_at=datetime(2010, 12, 1, 8, 26, tzinfo=UTC),
            customer=17850,
            country="United Kingdom",
        ),
    )


def test_skus_that_differ_by_case_are_not_summed() -> None:
    summed = sum_by_invoice_and_sku([line(sku="85123a"), line(sku="85123A"), line(sku="85123A", invoice="536364")])
    assert [(one.invoice, one.sku) for one in summed] == [
        ("536364", "85123A"),
        ("536365", "85123A"),
        ("536365", "85123a"),
    ]
