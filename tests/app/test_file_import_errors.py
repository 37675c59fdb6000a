"""Where refused rows go; the one rule: rows that somebody mended are never lost."""

from pathlib import Path

import pytest

from app.bootstrap import Gateway
from app.files.importing import ErrorFileInTheWay, ImportOptions
from domain.file_columns import FileKind
from tests.app.test_file_import import counts, files_in, gateway, imported, on_hand, run, written

__all__ = ["gateway"]

TEXT = "sku,location,on_hand\nM-1,EAST,5\nnope,EAST,1\nM-1,WEST,2\n"


async def test_error_file_that_nobody_mended_is_written_anew_and_taken_away(gateway: Gateway, tmp_path: Path) -> None:
    """Given an error file as it was written, then the same file and a mended one are imported without more ado."""
    path, errors = tmp_path / "levels.csv", tmp_path / "levels.errors.csv"
    await imported(gateway, FileKind.LEVELS, path, TEXT)
    told = errors.read_bytes()
    assert counts(await imported(gateway, FileKind.LEVELS, path, TEXT)) == {"REPLAYED": 1, "REFUSED": 2}
    assert errors.read_bytes() == told
    await imported(gateway, FileKind.LEVELS, path, TEXT.replace("nope", "M-1").replace("WEST,2", "EAST,3"))
    assert files_in(tmp_path) == ["levels.csv"]
    assert await on_hand(gateway, "M-1") == {"EAST": 3}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nope,EAST,1,", "M-1,EAST,1,"),
        ("nope,EAST,1,3,", "nope,EAST,1,4,"),
        ("error_check", "error_checked"),
        ("nope,", "M-2,EAST,4,,,,,\nnope,"),
    ],
)
async def test_error_file_that_was_mended_is_not_written_over(
    gateway: Gateway, tmp_path: Path, old: str, new: str
) -> None:
    """Given an error file with a row changed or added, then nothing is imported before that file is; a dry run is."""
    path, errors = tmp_path / "levels.csv", tmp_path / "levels.errors.csv"
    await imported(gateway, FileKind.LEVELS, path, TEXT)
    mended = errors.read_text().replace(old, new, 1)
    errors.write_text(mended)
    position = await gateway.services.reads.position()
    changed = written(FileKind.LEVELS, path, TEXT.replace("EAST,5", "EAST,6"))
    with pytest.raises(ErrorFileInTheWay) as found:
        await run(gateway.services, changed)
    assert (found.value.path, errors.read_text()) == (errors, mended)
    assert await gateway.services.reads.position() == position
    await imported(gateway, FileKind.LEVELS, path, TEXT, is_dry_run=True)
    assert errors.read_text() == mended
    await imported(gateway, FileKind.LEVELS, path, TEXT, errors_path=tmp_path / "others.csv")
    assert files_in(tmp_path) == ["levels.csv", "levels.errors.csv", "others.csv"]
    assert errors.read_text() == mended


@pytest.mark.parametrize("name", ["a.errors.csv", "notes.csv"])
async def test_file_of_somebody_else_is_left_alone(gateway: Gateway, tmp_path: Path, name: str) -> None:
    """Given a file under the error file's name that is none, then it stays, and nothing is imported."""
    other = tmp_path / name
    other.write_text("my notes\n")
    path = tmp_path / "a.csv"
    path.write_text("sku\nM-9\n")
    with pytest.raises(ErrorFileInTheWay):
        await run(gateway.services, ImportOptions(kind=FileKind.ITEMS, path=path, errors_path=other))
    assert other.read_text() == "my notes\n"
    assert await gateway.services.reads.items(["M-9"]) == [None]


async def test_rows_of_an_error_file_that_are_refused_again_stay_in_it(gateway: Gateway, tmp_path: Path) -> None:
    """Given an error file of which one row is mended, then the other is left in it; and none once that is mended."""
    errors = tmp_path / "levels.errors.csv"
    await imported(gateway, FileKind.LEVELS, tmp_path / "levels.csv", TEXT)
    (tmp_path / "levels.csv").unlink()
    mended = errors.read_text().replace("nope,EAST,1", "M-1,EAST,8")
    assert counts(await imported(gateway, FileKind.LEVELS, errors, mended)) == {"APPLIED": 1, "REFUSED": 1}
    assert files_in(tmp_path) == ["levels.errors.csv"]
    header, row = errors.read_text().splitlines()
    assert row.startswith("M-1,WEST,2,3,LOCATION_NOT_FOUND,location,")
    mended = f"{header}\n{row}\n".replace("WEST", "EAST")
    await imported(gateway, FileKind.LEVELS, errors, mended, is_dry_run=True)
    assert errors.read_text() == mended
    assert counts(await imported(gateway, FileKind.LEVELS, errors, mended)) == {"APPLIED": 1}
    assert files_in(tmp_path) == []
    assert await on_hand(gateway, "M-1") == {"EAST": 2}


async def test_row_that_was_mended_in_part_is_not_lost(gateway: Gateway, tmp_path: Path) -> None:
    """Given a mended row that is refused again, when the first file is imported again, then it is still there."""
    path, errors = tmp_path / "levels.csv", tmp_path / "levels.errors.csv"
    await imported(gateway, FileKind.LEVELS, path, TEXT)
    mended = errors.read_text().replace("nope,EAST,1", "nope,EAST,77")
    for _ in range(2):
        assert counts(await imported(gateway, FileKind.LEVELS, errors, mended)) == {"REFUSED": 2}
        mended = errors.read_text()
        assert [line.split(",")[2] + line[-7:] for line in mended.splitlines()[1:2]] == ["77,mended"]
    with pytest.raises(ErrorFileInTheWay):
        await run(gateway.services, written(FileKind.LEVELS, path, TEXT))
    assert errors.read_text() == mended


async def test_file_that_is_only_called_an_error_file_is_kept_whole(gateway: Gateway, tmp_path: Path) -> None:
    """Given a user's own file with that ending, then its refused rows go beside it and it stays as it is."""
    path = tmp_path / "my.errors.csv"
    await imported(gateway, FileKind.LEVELS, path, TEXT)
    assert files_in(tmp_path) == ["my.errors.csv", "my.errors.errors.csv"]
    await imported(gateway, FileKind.LEVELS, path, "sku,location,on_hand\nM-1,EAST,5\n")
    assert files_in(tmp_path) == ["my.errors.csv"]


async def test_rows_about_the_same_are_told(gateway: Gateway, tmp_path: Path) -> None:
    """Given a level four times, once refused, then those that count are told; in a named run, alike rows are one."""
    path, text = tmp_path / "a.csv", "sku,location,on_hand\nM-1,EAST,5\nM-1,EAST,x\nM-1,EAST,6\nM-1,EAST,5\n"
    report = await imported(gateway, FileKind.LEVELS, path, text)
    key = (("sku", "M-1"), ("location", "EAST"))
    assert [(one.row, one.earlier_row, one.key) for one in report.doubles.first] == [(4, 2, key), (5, 4, key)]
    named = await imported(gateway, FileKind.LEVELS, path, text, run_name="one")
    assert [(one.row, one.earlier_row) for one in named.doubles.first] == [(4, 2)]
    assert await on_hand(gateway, "M-1") == {"EAST": 6}
