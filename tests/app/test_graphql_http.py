"""Answers and headers of GraphQL over HTTP without a server; the one rule: exact status, exact headers."""

import json

import pytest
from graphql import GraphQLError
from strawberry.types import ExecutionResult

from app.graphql_http import answered, retry_after, unavailable
from app.negotiation import KINDS, Kind, _preferred_kind, is_json, preferred_kind
from resolvers.error_codes import ErrorCode
from resolvers.errors import refused_request

OF_ANY_KIND = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.THROTTLED: 429,
    ErrorCode.INTERNAL_ERROR: 500,
}
OF_THE_SERVICE = (ErrorCode.OVERLOADED, ErrorCode.UNAVAILABLE)
OF_THE_REQUEST = (
    ErrorCode.GRAPHQL_PARSE_FAILED,
    ErrorCode.GRAPHQL_VALIDATION_FAILED,
    ErrorCode.BAD_USER_INPUT,
    ErrorCode.TOKEN_LIMIT_EXCEEDED,
    ErrorCode.COST_LIMIT_EXCEEDED,
    ErrorCode.PERSISTED_QUERY_NOT_FOUND,
    ErrorCode.DOCUMENT_NOT_TRUSTED,
)


def failed(code: ErrorCode, **more: object) -> ExecutionResult:
    """Return the result of a request of which nothing was executed."""
    return ExecutionResult(data=None, errors=[refused_request("No.", code=code, **more)])


@pytest.mark.parametrize("kind", [Kind.JSON, Kind.GRAPHQL_RESPONSE])
@pytest.mark.parametrize("code", OF_ANY_KIND)
def test_some_refusals_have_one_status_for_all(code: ErrorCode, kind: Kind) -> None:
    """Given a caller that may not, or not now, then every intermediary is to know, whatever the media type."""
    response = answered(failed(code), kind)
    assert response.status_code == OF_ANY_KIND[code]
    assert json.loads(bytes(response.body)) == {"errors": [{"message": "No.", "extensions": {"code": code}}]}
    assert response.headers.get("www-authenticate") == ("Bearer" if code is ErrorCode.UNAUTHENTICATED else None)


@pytest.mark.parametrize("code", OF_THE_SERVICE)
def test_a_service_that_is_not_able_to_answer_is_503(code: ErrorCode) -> None:
    """Given load-shedding of a whole request, then 503 with Retry-After; clients of JSON find it in the body."""
    response = answered(failed(code, retryAfterMs=1), Kind.GRAPHQL_RESPONSE)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert answered(failed(code, retryAfterMs=1), Kind.JSON).status_code == 200


@pytest.mark.parametrize("code", OF_THE_REQUEST)
def test_a_request_error_is_400_or_200(code: ErrorCode) -> None:
    """Given an issue of the request itself, then 400, and 200 for clients of JSON."""
    statuses = [answered(failed(code), kind).status_code for kind in (Kind.GRAPHQL_RESPONSE, Kind.JSON)]
    assert statuses == [400, 200]


@pytest.mark.parametrize("code", ErrorCode)
def test_an_answer_that_holds_data_is_200(code: ErrorCode) -> None:
    """Given an error of a field beside data, whatever its code, then the request as a whole has succeeded."""
    error = GraphQLError("No.", path=["a"], extensions={"code": code.value})
    for data in ({"a": None}, None):
        for kind in (Kind.JSON, Kind.GRAPHQL_RESPONSE):
            response = answered(ExecutionResult(data=data, errors=[error]), kind)
            assert (response.status_code, json.loads(bytes(response.body))["data"]) == (200, data)
            assert "retry-after" not in response.headers


@pytest.mark.parametrize(("milliseconds", "seconds"), [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_999.5, "60")])
def test_retry_after_is_whole_seconds_rounded_up(milliseconds: float, seconds: str) -> None:
    """Given milliseconds, then whole seconds in which the wait is over."""
    assert retry_after(milliseconds) == seconds


def test_who_cannot_be_let_in_now_is_told_when_to_come_again() -> None:
    """Given a credential that cannot be checked, then program and proxy are told alike when to try again."""
    response = unavailable("The database does not answer now; ask again.", retry_after_ms=1500).response()
    (error,) = json.loads(bytes(response.body))["errors"]
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfterMs": 1500}


def test_what_is_remembered_of_headers_is_bounded() -> None:
    """Given more headers than are remembered, and longer ones, then memory stays bounded and answers right."""
    _preferred_kind.cache_clear()
    for number in range(1000):
        assert preferred_kind(b"text/x%d, application/json" % number, KINDS) is Kind.JSON
    assert _preferred_kind.cache_info().currsize == 512
    assert preferred_kind(b"application/%b, " % (b"x" * 10) * 63 + b"text/event-stream", KINDS) is Kind.EVENT_STREAM
    assert _preferred_kind.cache_info().currsize == 512
    assert not is_json(b"application/json;" + b"x" * 1000)


def test_of_a_hostile_accept_header_only_the_beginning_is_read() -> None:
    """Given headers of the longest kind, then their first 64 entries count."""
    assert preferred_kind(b"a/b," * 64 + b"application/json", KINDS) is None
    assert preferred_kind(b"a/b," * 63 + b"application/json", KINDS) is Kind.JSON
    assert preferred_kind(b"," * 60_000, KINDS) is None
    assert preferred_kind(b";q=1" * 15_000, KINDS) is None
    assert preferred_kind(b"*/*;" + b"a=b;" * 15_000 + b"q=0.5", KINDS) is Kind.JSON
