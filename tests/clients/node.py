"""Node and the clients in package.json, installed once for each lock; the one rule: without them CI fails.

Elsewhere the tests are skipped, with the same reason.
"""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

HERE: Final = Path(__file__).parent
INSTALLED_LOCK: Final = HERE / "node_modules" / ".installed-lock.json"
INSTALL_SECONDS_MAX: Final = 180.0
SCRIPT_SECONDS_MAX: Final = 90.0
MISSING: Final = "the tests with JavaScript clients need node and npm, which are not on this machine"


def install_clients() -> None:
    """Install what the lock pins, unless that has been done."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("STOCKGATE_TEST_NODE") == "required":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    lock = (HERE / "package-lock.json").read_text(encoding="utf-8")
    if INSTALLED_LOCK.exists() and INSTALLED_LOCK.read_text(encoding="utf-8") == lock:
        return
    install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    subprocess.run(install, cwd=HERE, check=True, timeout=INSTALL_SECONDS_MAX)
    INSTALLED_LOCK.write_text(lock, encoding="utf-8")


async def told_by(*command: str, directory: Path = HERE) -> Any:
    """Run a script and return the JSON that it prints."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SCRIPT_SECONDS_MAX):
            output, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, complaints.decode()
    return json.loads(output or "null")
