"""Importing and exporting through a real gateway; the one rule: what is refused changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from app.audit import audit_ledger
from app.bootstrap import Gateway, open_gateway
from app.files import importing
from app.files.exporting import export_records
from app.files.importing import (
    ImportInterrupted,
    ImportOptions,
    ImportReport,
    import_file,
    refused_rows,
)
from app.files.outputs import replaced_file
from app.files.sources import open_source
from app.ids import new_id
from app.settings import Settings
from domain.adjustments import AdjustmentReason
from domain.catalogue import ChannelArchive, ChannelUpsert, ItemUpsert, LocationUpsert
from domain.decider import Command
from domain.file_columns import FileKind
from domain.files import digest_of
from domain.levels import InventoryBucket
from domain.ports import Receipt, Unavailable
from domain.principals import LOCAL_PRINCIPAL, Principal
from domain.records import Attribute, Identifier
from domain.rejections import Refused
from domain.stock_commands import InventoryAdjust, LevelDelta
from resolvers.context import Services
from tests.app.databases import Store

CLERK = replace(LOCAL_PRINCIPAL, name="command line")
WAIT_SECONDS_MAX = 20.0


@pytest.fixture
async def gateway(store: Store) -> AsyncIterator[Gateway]:
    """A gateway with the channels web and till, the location EAST and the item M-1."""
    async with open_gateway(Settings(database_url=store.url)) as gateway:
        for command in (
            ChannelUpsert(code="web", fields={}),
            ChannelUpsert(code="till", fields={}),
            LocationUpsert(code="EAST", fields={}),
            ItemUpsert(sku="M-1", fields={"name": "Mug"}),
        ):
            await accept(gateway, command)
        yield gateway


async def accept(gateway: Gateway, command: Command) -> Receipt:
    outcome = await gateway.services.ledger.execute(command, by=LOCAL_PRINCIPAL)
    assert isinstance(outcome, Receipt), outcome
    return outcome


async def imported(gateway: Gateway, kind: FileKind, path: Path, text: str | bytes, **more: object) -> ImportReport:
    """Write the file and import it."""
    report = await run(gateway.services, replace(written(kind, path, text), **more))  # type: ignore[arg-type]  # each is one of its fields
    assert isinstance(report, ImportReport), report
    return report


def written(kind: FileKind, path: Path, text: str | bytes) -> ImportOptions:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ImportOptions(kind=kind, path=path)


def files_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def run(services: Services, options: ImportOptions) -> ImportReport | Refused:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        return await import_file(services, options, by=CLERK, progress=lambda _bytes, _rows: None)


async def exported(gateway: Gateway, kind: FileKind) -> str:
    lines: list[str] = []
    rows = await export_records(gateway.services.reads, kind, write=lines.append, progress=lambda _rows: None)
    text = "".join(lines)
    assert text.count("\r\n") >= rows + 1
    return text


def counts(report: ImportReport) -> dict[str, int]:
    return {status.value: rows for status, rows in report.rows.items() if rows}


async def on_hand(gateway: Gateway, sku: str) -> dict[str, int]:
    (snapshot,) = await gateway.services.reads.snapshots([(sku, None)])
    return {one.level.location: one.level.on_hand for one in snapshot.levels}


async def test_items_are_created_changed_and_left(gateway: Gateway, tmp_path: Path) -> None:
    """Given rows with empty and cleared cells and single attributes, then each field is as they say."""
    path = tmp_path / "items.csv"
    text = '\ufeffsku;name;attribute:size;identifier:GTIN\r\nM-1;;L;1\r\nM-2;"Big\r\nmug";;\r\n'
    assert counts(await imported(gateway, FileKind.ITEMS, path, text)) == {"APPLIED": 2}
    first, second = await gateway.services.reads.items(["M-1", "M-2"])
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("Mug", "Big\r\nmug")
    assert first.attributes == (Attribute(name="size", value="L"),)
    assert first.identifiers == (Identifier(scheme="GTIN", value="1"),)
    position = await gateway.services.reads.position()
    assert counts(await imported(gateway, FileKind.ITEMS, path, text)) == {"UNCHANGED": 2}
    assert await gateway.services.reads.position() == position
    text = "sku,attribute:colour,name\nM-1,red,(clear)\nM-1,(clear),\n"
    assert counts(await imported(gateway, FileKind.ITEMS, path, text)) == {"APPLIED": 2}
    (first,) = await gateway.services.reads.items(["M-1"])
    assert first is not None
    assert (first.name, first.attributes) == (None, (Attribute(name="size", value="L"),))


async def test_refused_rows_go_to_a_file_that_is_mended_and_imported(gateway: Gateway, tmp_path: Path) -> None:
    """Given good and bad rows, then the good are kept; the bad, mended where they stand, come in, and the file goes."""
    path = tmp_path / "levels.csv"
    text = "sku,location,on_hand\nM-1,EAST,5\nnope,EAST,1\nM-1,EAST\nM-1,WEST,1.5\nM-1,WEST,3\nM-1,EAST,10000001\n"
    report = await imported(gateway, FileKind.LEVELS, path, text)
    assert counts(report) == {"APPLIED": 1, "REFUSED": 5}
    assert [(row, one.code.value, one.field) for row, one in refused_rows(report)] == [
        (3, "ITEM_NOT_FOUND", ("sku",)),
        (4, "INVALID_INPUT", ()),
        (5, "INVALID_INPUT", ("on_hand",)),
        (6, "LOCATION_NOT_FOUND", ("location",)),
        (7, "INVALID_QUANTITY", ("on_hand",)),
    ]
    assert dict(report.codes) == {
        "ITEM_NOT_FOUND": 1,
        "INVALID_INPUT": 2,
        "LOCATION_NOT_FOUND": 1,
        "INVALID_QUANTITY": 1,
    }
    assert await on_hand(gateway, "M-1") == {"EAST": 5}
    errors = report.errors_path
    assert errors == tmp_path / "levels.errors.csv"
    lines = errors.read_text().splitlines()
    assert lines[0] == "sku,location,on_hand,error_row,error_code,error_column,error_message,error_check"
    assert lines[1].startswith("nope,EAST,1,3,ITEM_NOT_FOUND,sku,There is no item")
    mended = "\n".join([lines[0], lines[1].replace("nope", "M-1").replace("EAST,1", "EAST,8")])
    assert counts(await imported(gateway, FileKind.LEVELS, errors, mended)) == {"APPLIED": 1}
    assert await on_hand(gateway, "M-1") == {"EAST": 8}
    assert files_in(tmp_path) == ["levels.csv"]


async def test_same_file_again_counts_nothing_and_another_run_counts_anew(gateway: Gateway, tmp_path: Path) -> None:
    """Given a count and a sale after it, then the same file leaves the sale, and a run of another name does not."""
    path, text = tmp_path / "levels.csv", "sku,location,on_hand,damaged\nM-1,EAST,5,1\n"
    report = await imported(gateway, FileKind.LEVELS, path, text)
    assert (counts(report), report.run.name) == ({"APPLIED": 1}, digest_of(text.encode()))
    sale = InventoryAdjust(
        command_id=new_id(), sku="M-1", idempotency_key="s", adjustments=(LevelDelta(location="EAST", delta=-2),)
    )
    position = (await accept(gateway, sale)).position
    assert counts(await imported(gateway, FileKind.LEVELS, path, text)) == {"REPLAYED": 1}
    assert counts(await imported(gateway, FileKind.LEVELS, path, text, is_dry_run=True)) == {"REPLAYED": 1}
    assert await gateway.services.reads.position() == position
    assert await on_hand(gateway, "M-1") == {"EAST": 3}
    assert counts(await imported(gateway, FileKind.LEVELS, path, text, run_name="two", is_dry_run=True)) == {
        "APPLIED": 1
    }
    assert await gateway.services.reads.position() == position
    assert counts(await imported(gateway, FileKind.LEVELS, path, text, run_name="two")) == {"APPLIED": 1}
    assert await on_hand(gateway, "M-1") == {"EAST": 5}
    (newest, *_) = await gateway.services.reads.movement_page(sku="M-1", locations=None, before=None, limit=1)
    assert (newest.bucket, newest.delta, newest.reason) == (InventoryBucket.ON_HAND, 2, AdjustmentReason.CYCLE_COUNT)
    assert newest.adjustment_id is not None
    (adjustment,) = await gateway.services.reads.adjustments([newest.adjustment_id])
    assert adjustment is not None
    assert adjustment.recorded_by == "command line"
    assert (await audit_ledger(gateway.database)).difference_count == 0


@pytest.mark.parametrize("is_dry_run", [False, True])
async def test_one_run_has_one_reason(gateway: Gateway, tmp_path: Path, is_dry_run: bool) -> None:
    """Given a count, when the same run comes with another reason, then the row is refused and says so."""
    path, text = tmp_path / "levels.csv", "sku,location,on_hand\nM-1,EAST,5\n"
    await imported(gateway, FileKind.LEVELS, path, text, run_name="one")
    again = {"run_name": "one", "reason": AdjustmentReason.RECEIPT, "is_dry_run": is_dry_run}
    report = await imported(gateway, FileKind.LEVELS, path, text, **again)
    ((_, rejection),) = refused_rows(report)
    assert (rejection.code, rejection.field) == ("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", ())
    assert rejection.message.startswith("The row was imported by run one for another reason than RECEIPT;")


KINDS: dict[FileKind, str] = {
    FileKind.ITEMS: "sku,name\nM-1,Mug\nM-2,Cup\n\x00,x\n",
    FileKind.LOCATIONS: "code,country_code,channels\nEAST,,\nWEST,DE,web\nX,de,\nY,,nope\n",
    FileKind.LISTINGS: "sku,channel,external_key\nM-1,web,A\nM-1,till,\nnope,web,\nM-1,nope,\n",
    FileKind.LEVELS: "sku,location,on_hand\nM-1,EAST,5\nM-1,nope,1\nnope,EAST,1\n",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_dry_run_reports_the_same_and_keeps_nothing(gateway: Gateway, tmp_path: Path, kind: FileKind) -> None:
    """Given a file, when it is tried and then imported, then both report the same, and only the second keeps it."""
    path = tmp_path / "rows.csv"
    before = await gateway.services.reads.position(), [await exported(gateway, one) for one in FileKind]
    tried = await imported(gateway, kind, path, KINDS[kind], is_dry_run=True)
    assert files_in(tmp_path) == ["rows.csv"]
    assert (await gateway.services.reads.position(), [await exported(gateway, one) for one in FileKind]) == before
    done = await imported(gateway, kind, path, KINDS[kind])
    assert counts(done) == counts(tried)
    assert counts(done)["REFUSED"] >= 1
    assert refused_rows(done) == refused_rows(tried)
    assert files_in(tmp_path) == ["rows.csv", "rows.errors.csv"]
    assert await gateway.services.reads.position() > before[0]


async def test_a_level_that_is_counted_twice_in_a_file_ends_at_its_last_count(gateway: Gateway, tmp_path: Path) -> None:
    """Given one level at 5, then 7, then 5 in one file, then it ends at 5, after every repetition."""
    text = "sku,location,on_hand\nM-1,EAST,5\nM-1,EAST,7\nM-1,EAST,5\n"
    for _ in range(2):
        await imported(gateway, FileKind.LEVELS, tmp_path / "count.csv", text)
        assert await on_hand(gateway, "M-1") == {"EAST": 5}


async def test_exports_import_again_and_change_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """Given odd names, counts and a location that also serves an archived channel, then all stays."""
    odd = '{"=size": "+1 \\"x\\"", "a": "|"}'
    quoted = odd.replace('"', '""')
    await imported(
        gateway, FileKind.ITEMS, tmp_path / "a.csv", f'sku,name,attributes\n\'=1+1,(clear),"{quoted}"\n-x,"\'-\r\n",\n'
    )
    await imported(gateway, FileKind.LOCATIONS, tmp_path / "b.csv", "code,channels\nEAST,web|till\n")
    await imported(gateway, FileKind.LISTINGS, tmp_path / "c.csv", "sku,channel,external_key\nM-1,web,=A\n=1+1,web,\n")
    await imported(gateway, FileKind.LEVELS, tmp_path / "d.csv", "sku,location,on_hand,damaged\n'=1+1,EAST,7,2\n")
    await accept(gateway, ChannelArchive(code="till"))
    texts = {kind: await exported(gateway, kind) for kind in FileKind}
    assert texts[FileKind.LEVELS] == ("sku,location,on_hand,quarantined,damaged,safety_stock\r\n'=1+1,EAST,7,0,2,0\r\n")
    assert texts[FileKind.LOCATIONS] == "code,name,kind,country_code,channels\r\nEAST,,WAREHOUSE,,web\r\n"
    for kind, text in texts.items():
        report = await imported(gateway, kind, tmp_path / "again.csv", text)
        assert set(counts(report)) == {"UNCHANGED"}, (kind, refused_rows(report))
    assert {kind: await exported(gateway, kind) for kind in FileKind} == texts
    await accept(gateway, ChannelUpsert(code="till", fields={}))
    (served,) = await gateway.services.reads.channels_served(["EAST"])
    assert [channel.code for channel in served] == ["till", "web"]


async def test_more_rows_than_a_page_and_a_batch(gateway: Gateway, tmp_path: Path) -> None:
    """Given 600 items, then they come in by batches and go out by pages, each once and in order."""
    text = "sku\n" + "".join(f"N-{number:04}\n" for number in range(600))
    progress: list[tuple[int, int]] = []
    path = tmp_path / "items.csv"
    path.write_text(text)
    options = ImportOptions(kind=FileKind.ITEMS, path=path, errors_path=tmp_path / "e.csv", batch_rows_max=250)
    await import_file(gateway.services, options, by=CLERK, progress=lambda *done: progress.append(done))
    assert [rows for _, rows in progress] == [250, 500, 600]
    assert progress[-1] == (len(text), 600)
    skus = [line.split(",")[0] for line in (await exported(gateway, FileKind.ITEMS)).splitlines()]
    assert skus == ["sku", "M-1", *(f"N-{number:04}" for number in range(600))]


async def test_header_refuses_the_whole_file(gateway: Gateway, tmp_path: Path) -> None:
    """Given an unknown column, then nothing is imported and no error file is made."""
    path = tmp_path / "items.csv"
    path.write_text("sku,titel\nM-9,x\n")
    outcome = await run(gateway.services, ImportOptions(kind=FileKind.ITEMS, path=path, errors_path=tmp_path / "e.csv"))
    assert isinstance(outcome, Refused)
    assert [one.field for one in outcome.rejections] == [("titel",)]
    assert await gateway.services.reads.items(["M-9"]) == [None]
    assert not (tmp_path / "e.csv").exists()


async def test_bytes_that_are_no_text_are_told_and_kept(gateway: Gateway, tmp_path: Path) -> None:
    """Given a cell of another encoding, then its row is refused, and the error file holds the same bytes."""
    report = await imported(gateway, FileKind.ITEMS, tmp_path / "a.csv", b"sku,name\nM-1,Gr\xfcn\nM-2,x\n")
    assert counts(report) == {"REFUSED": 1, "APPLIED": 1}
    assert b"M-1,Gr\xfcn,2,INVALID_INPUT,name," in (tmp_path / "a.errors.csv").read_bytes()


class BusyLedger:
    """A ledger in front of the real one that is busy for a while."""

    def __init__(self, services: Services, *, times: int) -> None:
        self._ledger = services.ledger
        self.times_left = times

    async def execute(self, command: Command, *, by: Principal) -> Receipt | Refused:
        """Take one command."""
        return (await self.execute_each([command], by=by))[0]

    async def execute_each(self, commands: Sequence[Command], *, by: Principal) -> list[Receipt | Refused]:
        """Take commands once it is no longer busy; what it was given before is kept all the same."""
        outcomes = await self._ledger.execute_each(commands, by=by)
        if self.times_left:
            self.times_left -= 1
            raise Unavailable("The database did not answer in time.", retry_after_ms=1)
        return outcomes

    async def execute_together(self, commands: Sequence[Command], *, by: Principal) -> list[Receipt | Refused]:
        """Take commands together."""
        return await self._ledger.execute_together(commands, by=by)


@pytest.mark.parametrize(("times", "found"), [(2, {"REPLAYED": 1}), (3, None)])
async def test_busy_database_is_waited_for_a_limited_number_of_times(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, found: dict[str, int] | None
) -> None:
    """Given a ledger that loses its answers, then the same batch is sent again, and a unit moves once at the most."""
    monkeypatch.setattr(importing, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(importing, "ATTEMPTS_MAX", 3)
    path = tmp_path / "levels.csv"
    path.write_text("sku,location,on_hand\nM-1,EAST,5\n")
    options = ImportOptions(kind=FileKind.LEVELS, path=path, errors_path=tmp_path / "e.csv")
    services = replace(gateway.services, ledger=BusyLedger(gateway.services, times=times))
    if found is None:
        with pytest.raises(ImportInterrupted, match="did not answer in time"):
            await run(services, options)
    else:
        report = await run(services, options)
        assert isinstance(report, ImportReport)
        assert counts(report) == found
    assert await on_hand(gateway, "M-1") == {"EAST": 5}
    rows = await gateway.services.reads.movement_page(sku="M-1", locations=None, before=None, limit=10)
    assert [one.delta for one in rows] == [5]


def test_lines_are_read_as_they_are_and_bounded(tmp_path: Path) -> None:
    """Given every line end and a very long line, then lines come unchanged and in pieces of bounded length."""
    path = tmp_path / "a.csv"
    content = b"\xef\xbb\xbfa\r\nb\rc\n" + b"x" * 1_500_000
    path.write_bytes(content)
    with open_source(path) as source:
        lines = list(source.lines())
        assert (source.digest, source.size_bytes, source.has_byte_order_mark) == (
            digest_of(content),
            len(content),
            True,
        )
        assert source.bytes_read == len(content)
    assert [(line[:3], len(line)) for line in lines] == [
        ("\ufeffa\r", 4),
        ("b\r", 2),
        ("c\n", 2),
        ("xxx", 1_000_000),
        ("xxx", 500_000),
    ]


def test_a_link_in_wait_under_the_parts_name_is_not_followed(tmp_path: Path) -> None:
    """Given a link where the part goes, when a file is written, then what the link leads to stays as it was."""
    other, path = tmp_path / "other", tmp_path / "a.csv"
    other.write_text("precious")
    (tmp_path / "a.csv.part").symlink_to(other)
    with replaced_file(path) as file:
        file.write("new")
        file.keep()
    assert (other.read_text(), path.read_text(), path.is_symlink()) == ("precious", "new", False)


def test_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """Given a file that is written over, then the old one stays until the new one is kept, and no part is left."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    with replaced_file(path) as file:
        file.write("new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a.csv", "old")]
    with replaced_file(path) as file:
        file.write("new")
        assert path.read_text() == "old"
        file.keep()
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a.csv", "new")]
