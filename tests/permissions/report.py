"""The executed matrix as a table, for people; the one rule: it tells what was run, not what ought to be."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.permission_matrix import Cell
from domain.principals import Role

REPORT_VARIABLE: Final = "STOCKGATE_MATRIX_REPORT"
AS_MISSING, ABSENT = "as missing", "absent"


@dataclass(slots=True, kw_only=True)
class Report:
    """What was run so far."""

    own: dict[tuple[str, Role], Cell] = field(default_factory=dict)
    foreign: dict[tuple[str, Role], Counter[str]] = field(default_factory=dict)
    """By (argument or input field, role): how often which verdict was reached."""
    ways_to: dict[str, set[str]] = field(default_factory=dict)
    """By type: the root fields that lead to it."""
    named_by: dict[str, set[str]] = field(default_factory=dict)
    """By root field: the arguments and input fields that name something."""
    absent: set[tuple[str, Role]] = field(default_factory=set)
    """(root field, role): all of its answers were read through, and nothing foreign was in them."""

    def add_foreign(self, coordinate: str, role: Role, verdict: str, *, root_field: str) -> None:
        """Note how a foreign or archived name was answered, against a missing one."""
        self.foreign.setdefault((coordinate, role), Counter())[verdict] += 1
        self.named_by.setdefault(root_field, set()).add(coordinate)

    def printed(self) -> str:
        """Return the two tables."""
        lines = ["# The permission matrix, as it was run", "", "| Field | Role | Own | Foreign |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {role} | {cell} | {self._foreign_of(name, role)} |"
            for (name, role), cell in sorted(self.own.items())
        ]
        lines += ["", "| Argument or input field | Role | Foreign and archived names |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {role} | {', '.join(f'{verdict}: {count}' for verdict, count in sorted(told.items()))} |"
            for (name, role), told in sorted(self.foreign.items())
        ]
        return "\n".join([*lines, "", *self.counts(), ""])

    def counts(self) -> list[str]:
        """Return how much was run."""
        own = Counter(self.own.values())
        cells = ", ".join(f"{count} {cell}" for cell, count in own.items())
        compared = Counter[str]()
        for told in self.foreign.values():
            compared += told
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(compared.items()))
        arguments = len({name for name, _ in self.foreign})
        return [
            f"{len(self.own)} cells of {len({name for name, _ in self.own})} fields: {cells}",
            f"{sum(compared.values())} comparisons of {arguments} arguments and input fields: {verdicts}",
        ]

    def write(self) -> None:
        """Write the tables where the environment says."""
        target = os.environ.get(REPORT_VARIABLE)
        if target:
            Path(target).write_text(self.printed(), encoding="utf-8")

    def _foreign_of(self, name: str, role: Role) -> str:
        """Return what became of foreign names on the ways to the field, and whether it answered anything foreign."""
        ways = self.ways_to.get(name.partition(".")[0], {name.partition(" of ")[0]})
        named = {one for way in ways for one in self.named_by.get(way, ())}
        told = {verdict for one in named for verdict in self.foreign.get((one, role), ())}
        return ", ".join(sorted(told | {ABSENT for way in ways if (way, role) in self.absent}))
