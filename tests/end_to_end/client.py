"""A client over plain HTTP; the one rule: what is no answer to a good request fails the test at once."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

ANSWER_SECONDS_MAX: Final = 20.0
JSON: Final = {"content-type": "application/json"}

Answer = dict[str, Any]
Refusal = tuple[str, str]
"""(code, field path, joined by dots) of a userErrors entry."""


class Client:
    """One caller of a gateway."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def post(self, document: str, variables: Mapping[str, object] | None = None) -> httpx.Response:
        """Send a request and return the response, whatever it is."""
        return await self.http.post(self.url, json={"query": document, "variables": dict(variables or {})})

    async def send(self, body: bytes | str, headers: Mapping[str, str] = JSON) -> httpx.Response:
        """Send a body as it stands."""
        return await self.http.post(self.url, content=body, headers=dict(headers))

    async def ask(self, document: str, **variables: object) -> Answer:
        """Return the data of a good request."""
        response = await self.post(document, variables)
        assert response.status_code == httpx.codes.OK, response.text
        answer: Answer = response.json()
        assert "errors" not in answer, answer
        data: Answer = answer["data"]
        return data

    async def change(self, mutation: str, kind: str, selection: str, input: Mapping[str, object]) -> Answer:
        """Run a mutation of one input and return its payload."""
        document = f"mutation change($input: {kind}!) {{ {mutation}(input: $input) {{ {selection} }} }}"
        payload: Answer = (await self.ask(document, input=dict(input)))[mutation]
        return payload

    async def accepted(self, mutation: str, kind: str, selection: str, input: Mapping[str, object]) -> Answer:
        """Run a mutation that must be accepted, and return its payload."""
        payload = await self.change(mutation, kind, f"{selection} userErrors {{ code field message }}", input)
        assert payload["userErrors"] == [], payload
        return payload


def without_cost(answer: Answer) -> Answer:
    """Return an answer without what it cost, which is a test of its own."""
    return {name: value for name, value in answer.items() if name != "extensions"}


def result_of(response: httpx.Response) -> Answer:
    """Return what a request was answered, without what it cost."""
    return without_cost(response.json())


def refusals(payload: Answer) -> list[Refusal]:
    """Return the reasons that a payload gives."""
    return [(one["code"], ".".join(one["field"] or ())) for one in payload["userErrors"]]


def codes(answer: Answer) -> list[str]:
    """Return the codes of an answer's errors."""
    return [one.get("extensions", {}).get("code", "no code") for one in answer["errors"]]
