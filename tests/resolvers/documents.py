"""Documents that are too much, one for each limit and each attack; the one rule: each is refused for one reason."""

from typing import Final

DEEP: Final = "{ movements { nodes { " + "adjustment { movements { " * 6 + "sku" + " } }" * 6 + " } } }"
WIDE: Final = "{ viewer { " + "name " * 1000 + "} }"
ALIASED: Final = "{ " + " ".join(f"a{number}: viewer {{ name }}" for number in range(16)) + " }"
DIRECTED: Final = "{ viewer { " + "name @include(if: true) " * 51 + "} }"
ROOTED: Final = "{ " + "viewer { name } " * 21 + "}"
EXPONENTIAL: Final = (
    "{ ...f0 } "
    + " ".join(f"fragment f{number} on Query {{ ...f{number + 1} ...f{number + 1} }}" for number in range(40))
    + " fragment f40 on Query { viewer { name } }"
)
UNKNOWN: Final = "{ viewer { " + " ".join(f"name{number}" for number in range(980)) + " } }"
OVERLAPPING: Final = "{ viewer { " + "name " * 900 + "} }"
OVERLAPPING_FRAGMENTS: Final = (
    "{ locations { nodes { "
    + " ".join(f"...f{number}" for number in range(90))
    + " } } } "
    + " ".join(f"fragment f{number} on Location {{ code }}" for number in range(90))
)
NESTED_FRAGMENTS: Final = "{ locations { nodes { " + "... on Location { " * 1000 + "code" + " }" * 1000 + " } } }"
BRACES: Final = "{ a " * 1000
LISTS: Final = "{ availability(skus: " + "[" * 1000 + "]" * 1000 + ") { sku } }"
OBJECTS: Final = "{ availability(skus: " + "{a: " * 300 + "1" + "}" * 300 + ") { sku } }"
LIST_TYPES: Final = "query ($a: " + "[" * 400 + "ID" + "]" * 400 + ") { viewer { name } }"
LONG: Final = "{ viewer { name } }" + " " * 900_000
COMMENTED: Final = "{ viewer { name } }" + "#\n" * 15_000
CYCLIC: Final = "{ ...a } fragment a on Query { viewer { name } ...b } fragment b on Query { ...a }"
CURIOUS: Final = "{ __schema { " + " ".join(f"a{n}: types {{ fields {{ name }} }}" for n in range(15)) + " } }"
EXPENSIVE: Final = (
    "{ "
    + " ".join(
        f"a{n}: inventoryItems(first: 250) {{ nodes {{ levels {{ location {{ channels {{ code }} }} }} }} "
        "edges { node { levels { location { channels { code } } } } } }"
        for n in range(9)
    )
    + " }"
)

ATTACKS: Final = {
    "deep": (DEEP, "DEPTH_LIMIT_EXCEEDED"),
    "wide": (WIDE, "TOKEN_LIMIT_EXCEEDED"),
    "aliases": (ALIASED, "ALIAS_LIMIT_EXCEEDED"),
    "directives": (DIRECTED, "DIRECTIVE_LIMIT_EXCEEDED"),
    "root fields": (ROOTED, "ROOT_FIELD_LIMIT_EXCEEDED"),
    "exponential fragments": (EXPONENTIAL, "ROOT_FIELD_LIMIT_EXCEEDED"),
    "unknown fields": (UNKNOWN, "GRAPHQL_VALIDATION_FAILED"),
    "overlapping fields": (OVERLAPPING, "GRAPHQL_VALIDATION_FAILED"),
    "overlapping fragments": (OVERLAPPING_FRAGMENTS, "GRAPHQL_VALIDATION_FAILED"),
    "nested fragments": (NESTED_FRAGMENTS, "DEPTH_LIMIT_EXCEEDED"),
    "braces": (BRACES, "DEPTH_LIMIT_EXCEEDED"),
    "lists": (LISTS, "DEPTH_LIMIT_EXCEEDED"),
    "objects": (OBJECTS, "DEPTH_LIMIT_EXCEEDED"),
    "list types": (LIST_TYPES, "DEPTH_LIMIT_EXCEEDED"),
    "long": (LONG, "TOKEN_LIMIT_EXCEEDED"),
    "comments": (COMMENTED, "TOKEN_LIMIT_EXCEEDED"),
    "cycles": (CYCLIC, "GRAPHQL_VALIDATION_FAILED"),
    "introspection": (CURIOUS, "COST_LIMIT_EXCEEDED"),
    "cost": (EXPENSIVE, "COST_LIMIT_EXCEEDED"),
}
"""Each attack with the code of its refusal."""
LIMITS: Final = {
    "TOKEN_LIMIT_EXCEEDED": WIDE,
    "DEPTH_LIMIT_EXCEEDED": DEEP,
    "ALIAS_LIMIT_EXCEEDED": ALIASED,
    "DIRECTIVE_LIMIT_EXCEEDED": DIRECTED,
    "ROOT_FIELD_LIMIT_EXCEEDED": ROOTED,
    "COST_LIMIT_EXCEEDED": EXPENSIVE,
}
"""A document for each limit."""
