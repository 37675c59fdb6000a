"""Answers about the schema, kept: it stays the same as long as the process lives, and takes 50 ms to describe.

The rule: only what depends on nothing but the document is kept, and only of the last few documents.
"""

from collections import OrderedDict
from typing import Any

from graphql import GraphQLSchema, OperationDefinitionNode, OperationType

ANSWERS_MAX = 4
"""How many answers are kept; the standard one is some megabytes in memory, and none may be much larger."""
SCHEMA_FIELDS = ("__schema", "__type", "__typename")

Data = dict[str, Any]


class IntrospectionAnswers:
    """The answers that were given last, by the text of their document and the name of their operation."""

    def __init__(self, *, answers_max: int = ANSWERS_MAX) -> None:
        self._answers_max = answers_max
        self._kept: OrderedDict[tuple[str, str | None], Data] = OrderedDict()

    def find(self, text: str, operation_name: str | None) -> Data | None:
        """Return the data of an answer, which nobody may change."""
        key = (text, operation_name)
        data = self._kept.get(key)
        if data is not None:
            self._kept.move_to_end(key)
        return data

    def keep(self, text: str, operation_name: str | None, data: Data) -> None:
        """Keep an answer, and let go of the one that has not been asked for longest."""
        self._kept[text, operation_name] = data
        if len(self._kept) > self._answers_max:
            self._kept.popitem(last=False)


def is_about_schema(schema: GraphQLSchema, operation: OperationDefinitionNode, fields: frozenset[str]) -> bool:
    """Return whether an operation's answer depends on the schema alone, given all fields that it names (`Type.field`).

    Queries with variables may skip and include by them, and are left out.
    """
    query = schema.query_type
    if query is None or operation.operation is not OperationType.QUERY or operation.variable_definitions:
        return False
    root = {one for one in fields if one.startswith(f"{query.name}.")}
    return root <= {f"{query.name}.{name}" for name in SCHEMA_FIELDS}
