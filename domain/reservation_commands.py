"""Reservations: the record, its commands and its events, as values.

The rule: a reservation is ACTIVE until the one event that resolves it, and holds units only until then.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.claims import Claim, DocumentCommand, LineQuantity
from domain.promises import FulfilmentKind, Line


class ReservationState(StrEnum):
    """Where a reservation is in its life."""

    ACTIVE = "ACTIVE"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A soft hold on stock with an expiry, while somebody makes up their mind.

    `lines` are what it holds while it is ACTIVE, and afterwards what it held last. `version` grows with each event.
    `order_id` names the order that it was committed to.
    """

    id: str
    account: str
    channel: str | None
    external_reference: str | None
    fulfilment: FulfilmentKind
    state: ReservationState
    lines: tuple[Line, ...]
    created_at: datetime
    expires_at: datetime
    updated_at: datetime
    version: int
    order_id: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether nothing has resolved it yet; it may have lapsed all the same."""
        return self.state is ReservationState.ACTIVE

    def has_lapsed(self, at: datetime) -> bool:
        """Whether its time is over and nothing has resolved it yet."""
        return self.is_active and at >= self.expires_at

    @property
    def holding(self) -> tuple[Line, ...]:
        """The lines whose units are held now."""
        return self.lines if self.is_active else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMove:
    """Units of a line that are to lie elsewhere; None for all, and for wherever they are."""

    line: str
    to_location: str
    from_location: str | None = None
    quantity: int | None = None

    def lies(self, location: str) -> bool:
        """Whether it takes units that lie there; never those that are where they are to go already."""
        return location == self.from_location if self.from_location is not None else location != self.to_location


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCommit(LineQuantity):
    """Units of a line that an order takes, under the order's own line id; None stands for the same id."""

    order_line: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationCreate(Claim):
    """Hold units for a while, all lines or none, unless part will do."""

    external_reference: str | None = None
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationExtend(DocumentCommand):
    """Let a reservation live for so long from now on."""

    reservation: str
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationRelease(DocumentCommand):
    """Give units back, all of them or those of some lines."""

    reservation: str
    lines: tuple[LineQuantity, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationMove(DocumentCommand):
    """Hold the units at other locations."""

    reservation: str
    moves: tuple[LineMove, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationCommit(DocumentCommand):
    """Turn a reservation into an order's allocation; what the order does not take is given back."""

    reservation: str
    order_id: str
    lines: tuple[LineCommit, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationExpire(DocumentCommand):
    """Give back what a lapsed reservation holds; anything else is left as it is."""

    reservation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationCreated:
    """Units are held."""

    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationExtended:
    """The reservation lives longer, or shorter."""

    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationReleased:
    """Units were given back; the reservation goes on while any are held."""

    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationMoved:
    """Units are held elsewhere."""

    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationCommitted:
    """The reservation became an order's allocation."""

    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationExpired:
    """The reservation's time was over, and its units were given back."""

    reservation: Reservation


ReservationCommands = (
    ReservationCreate | ReservationExtend | ReservationRelease | ReservationMove | ReservationCommit | ReservationExpire
)
ReservationEvent = (
    ReservationCreated
    | ReservationExtended
    | ReservationReleased
    | ReservationMoved
    | ReservationCommitted
    | ReservationExpired
)
