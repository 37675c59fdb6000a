"""Channels: upserts, what they say of sourcing and reservations, and archiving; what an upsert leaves out stays."""

from dataclasses import replace

import pytest

from domain.catalogue import ChannelArchive, ChannelArchived, ChannelUpsert, ChannelUpserted
from domain.catalogue_fields import ChannelFields
from domain.promises import SourcingStrategy
from domain.records import Channel
from domain.rejections import RejectionCode
from tests.domain.given import EARLIER, NOW, WEB, channel, given

RICH_CHANNEL = Channel(code=WEB, name="Web shop", created_at=EARLIER, updated_at=EARLIER)


class TestChannel:
    def test_a_channel_is_created(self) -> None:
        created = Channel(code=WEB, created_at=NOW, updated_at=NOW)
        state = given().when(ChannelUpsert(code=WEB, fields={})).then(ChannelUpserted(channel=created))
        assert state.channels == {WEB: created}

    @pytest.mark.parametrize("name", ["Shop", None])
    def test_its_name_changes(self, name: str | None) -> None:
        given(RICH_CHANNEL).when(ChannelUpsert(code=WEB, fields={"name": name})).then(
            ChannelUpserted(channel=replace(RICH_CHANNEL, name=name, updated_at=NOW))
        )

    @pytest.mark.parametrize(
        ("fields", "after"),
        [
            (
                ChannelFields(sourcing=SourcingStrategy.MOST_STOCK),
                replace(RICH_CHANNEL, sourcing=SourcingStrategy.MOST_STOCK),
            ),
            (ChannelFields(reservation_ttl_seconds=1), replace(RICH_CHANNEL, reservation_ttl_seconds=1)),
            (
                ChannelFields(reservation_ttl_seconds=86_400),
                replace(RICH_CHANNEL, reservation_ttl_seconds=86_400),
            ),
            (
                ChannelFields(reservation_ttl_seconds_max=900),
                replace(RICH_CHANNEL, reservation_ttl_seconds_max=900),
            ),
            (
                ChannelFields(reservation_ttl_seconds=2_592_000, reservation_ttl_seconds_max=2_592_000),
                replace(RICH_CHANNEL, reservation_ttl_seconds=2_592_000, reservation_ttl_seconds_max=2_592_000),
            ),
        ],
    )
    def test_its_policy_changes(self, fields: ChannelFields, after: Channel) -> None:
        given(RICH_CHANNEL).when(ChannelUpsert(code=WEB, fields=fields)).then(
            ChannelUpserted(channel=replace(after, updated_at=NOW))
        )

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            (
                ChannelFields(reservation_ttl_seconds=86_401),
                "Reservations would live for 86401 seconds and at most for 86400; send a default within the limit.",
            ),
            (
                ChannelFields(reservation_ttl_seconds_max=899),
                "Reservations would live for 900 seconds and at most for 899; send a default within the limit.",
            ),
            (
                ChannelFields(reservation_ttl_seconds=3, reservation_ttl_seconds_max=2),
                "Reservations would live for 3 seconds and at most for 2; send a default within the limit.",
            ),
        ],
    )
    def test_its_default_lies_within_its_limit(self, fields: ChannelFields, message: str) -> None:
        given(RICH_CHANNEL).when(ChannelUpsert(code=WEB, fields=fields)).then_refused(
            RejectionCode.TTL_OUT_OF_RANGE, "reservationTtlSeconds", message=message
        )

    @pytest.mark.parametrize("fields", [ChannelFields(), ChannelFields(name="Web shop")])
    def test_what_changes_nothing_appends_nothing(self, fields: ChannelFields) -> None:
        given(RICH_CHANNEL).when(ChannelUpsert(code=WEB, fields=fields)).then()

    def test_it_is_archived_and_comes_back(self) -> None:
        archived = replace(RICH_CHANNEL, archived_at=NOW, updated_at=NOW)
        state = given(RICH_CHANNEL).when(ChannelArchive(code=WEB)).then(ChannelArchived(channel=archived))
        assert state.channels == {WEB: archived}
        given(archived).when(ChannelUpsert(code=WEB, fields={})).then(
            ChannelUpserted(channel=replace(RICH_CHANNEL, updated_at=NOW))
        )

    @pytest.mark.parametrize("code", ["shop", "old"])
    def test_an_unknown_or_archived_channel(self, code: str) -> None:
        given(channel("old", archived_at=EARLIER)).when(ChannelArchive(code=code)).then_refused(
            RejectionCode.CHANNEL_NOT_FOUND, "channelId"
        )


def test_all_that_is_wrong_with_a_channel_is_named_at_once() -> None:
    fields = ChannelFields(name="\x00", reservation_ttl_seconds=0, reservation_ttl_seconds_max=2_592_001)
    given().when(ChannelUpsert(code=" ", fields=fields)).then_refused(
        RejectionCode.INVALID_INPUT, "code", "name", "reservationTtlSeconds", "reservationTtlSecondsMax"
    )
