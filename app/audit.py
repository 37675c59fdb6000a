"""The audit: recomputes every level from the ledger and compares; the one rule: it never repairs, it only tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from app.storage import audit
from app.storage.database import Database

FINDINGS_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What was compared, and every check with the number of differences and the first of them."""

    levels: int
    movements: int
    adjustments: int
    keys: int
    events: int
    findings: tuple["Finding", ...]

    @property
    def difference_count(self) -> int:
        """How many differences there are in all."""
        return sum(finding.count for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what must hold, how often it does not, and the first cases."""

    rule: str
    count: int
    examples: Sequence[str]


async def audit_ledger(database: Database) -> AuditReport:
    """Check the whole ledger on one snapshot."""
    counts, findings = await database.read(partial(audit.check_everything, examples_max=FINDINGS_SHOWN_MAX))
    return AuditReport(
        levels=counts[0],
        movements=counts[1],
        adjustments=counts[2],
        keys=counts[3],
        events=counts[4],
        findings=tuple(
            Finding(rule=rule, count=count, examples=[" ".join(map(str, row)) for row in rows])
            for rule, count, rows in findings
        ),
    )
