"""Records as JSON; the one rule: what was written once can be read for ever, so a field is only ever added with a
default, and fields that are not known are passed over.
"""

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

Record = TypeVar("Record")


def encode_record(record: object) -> str:
    """Return the record as JSON; sets are written in order, so that equal records are equal texts."""
    return orjson.dumps(record, default=sorted).decode()


def decode_record(kind: type[Record], data: str) -> Record:
    """Return the record that JSON holds."""
    record: Record = decoder_of(kind)(orjson.loads(data))
    return record


def decoder_of(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a value of a type out of what JSON holds."""
    return _decoder(kind)


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _record_decoder(kind)
    if origin in (Union, types.UnionType):
        inner = _decoder(next(one for one in arguments if one is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin in (tuple, frozenset):
        one = _decoder(arguments[0])
        return lambda value: origin(map(one, value))
    if kind is datetime:
        return datetime.fromisoformat
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    return lambda value: value


def _record_decoder(kind: Any) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(kind)}
    return lambda value: kind(**{name: decoders[name](part) for name, part in value.items() if name in decoders})
