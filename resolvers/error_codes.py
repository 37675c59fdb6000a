"""Every `errors[].extensions.code` that a client may see, with what it means, why it comes, and what to do about it.

The rule: no error leaves the gateway under a code that does not stand here. Refused commands are `userErrors` instead;
their codes are `domain.rejections.RejectionCode`.
"""

from enum import StrEnum

from domain.rejections import Explanation, Retry


class ErrorCode(StrEnum):
    """Why a request, or a part of one, was not answered. In the order in which a request meets them."""

    MISDIRECTED_REQUEST = "MISDIRECTED_REQUEST"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
    TOKEN_LIMIT_EXCEEDED = "TOKEN_LIMIT_EXCEEDED"  # noqa: S105  # a token of GraphQL, no secret
    DEPTH_LIMIT_EXCEEDED = "DEPTH_LIMIT_EXCEEDED"
    ALIAS_LIMIT_EXCEEDED = "ALIAS_LIMIT_EXCEEDED"
    DIRECTIVE_LIMIT_EXCEEDED = "DIRECTIVE_LIMIT_EXCEEDED"
    ROOT_FIELD_LIMIT_EXCEEDED = "ROOT_FIELD_LIMIT_EXCEEDED"
    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    FORBIDDEN = "FORBIDDEN"
    COST_LIMIT_EXCEEDED = "COST_LIMIT_EXCEEDED"
    THROTTLED = "THROTTLED"
    SUBSCRIPTION_LIMIT_EXCEEDED = "SUBSCRIPTION_LIMIT_EXCEEDED"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    INVALID_INPUT = "INVALID_INPUT"
    CHANNEL_NOT_FOUND = "CHANNEL_NOT_FOUND"
    OVERLOADED = "OVERLOADED"
    UNAVAILABLE = "UNAVAILABLE"
    POSITION_NOT_REACHED = "POSITION_NOT_REACHED"
    POSITION_EXPIRED = "POSITION_EXPIRED"
    SUBSCRIBER_TOO_SLOW = "SUBSCRIBER_TOO_SLOW"
    GATEWAY_STOPPING = "GATEWAY_STOPPING"
    INTERNAL_ERROR = "INTERNAL_ERROR"


EXPLANATIONS: dict[ErrorCode, Explanation] = {
    ErrorCode.MISDIRECTED_REQUEST: Explanation(
        meaning="The request names a host that this gateway does not answer for.",
        cause="A gateway without keys answers to 127.0.0.1, [::1] and localhost only, so that no web page can reach "
        "it through a name of its own.",
        remedy="Call it by one of these names, or have the operator create keys.",
    ),
    ErrorCode.METHOD_NOT_ALLOWED: Explanation(
        meaning="This cannot be asked with this HTTP method.",
        cause="GraphQL is sent by POST; GET is for queries, where the operator allows it.",
        remedy="Send the request by one of the methods in the header Allow.",
    ),
    ErrorCode.NOT_ACCEPTABLE: Explanation(
        meaning="The gateway has no answer of a kind that the header Accept takes.",
        cause="Accept names neither application/json nor application/graphql-response+json (nor, for streams, "
        "text/event-stream).",
        remedy="Name one of them in Accept.",
    ),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: Explanation(
        meaning="The body is not declared as JSON in UTF-8.",
        cause="Content-Type is missing, or is another than application/json.",
        remedy="Send Content-Type: application/json.",
    ),
    ErrorCode.BODY_TOO_LARGE: Explanation(
        meaning="The request is larger than the gateway reads.",
        cause="The body is longer than STOCKGATE_BODY_BYTES_MAX.",
        remedy="Send less at a time: several requests of at most 250 entries each.",
    ),
    ErrorCode.BAD_REQUEST: Explanation(
        meaning="The request is not a GraphQL request.",
        cause="It is no JSON, a list of requests, or lacks a document; or a member of it has the wrong type, or names "
        "an operation that is not in the document.",
        remedy='Send one object: {"query": …, "variables": …, "operationName": …, "extensions": …}.',
    ),
    ErrorCode.UNAUTHENTICATED: Explanation(
        meaning="The gateway does not know who asks.",
        cause="There are no credentials, or they are unknown, expired or revoked.",
        remedy="Send Authorization: Bearer and a key that is in force (over a WebSocket, in connection_init).",
        retry=Retry.WITH_CREDENTIALS,
    ),
    ErrorCode.PERSISTED_QUERY_NOT_FOUND: Explanation(
        meaning="The gateway does not hold the document behind this hash.",
        cause="The hash is new to this process, or was not used for long; clients of the automatic protocol expect it.",
        remedy="Send the hash once more together with the document's text; clients that support persisted queries do "
        "so by themselves.",
    ),
    ErrorCode.DOCUMENT_NOT_TRUSTED: Explanation(
        meaning="Only registered documents may be run, and this is none of them.",
        cause="The operator has switched trusted documents on, and this text, hash or id is in no registered manifest.",
        remedy="Register the client's manifest with `stockgate documents register`, or send a document that is in it.",
    ),
    ErrorCode.TOKEN_LIMIT_EXCEEDED: Explanation(
        meaning="The document has too many tokens.",
        cause="It is longer, or nested deeper in its values, than the gateway parses.",
        remedy="Split it into several requests, and move values into variables.",
    ),
    ErrorCode.DEPTH_LIMIT_EXCEEDED: Explanation(
        meaning="The document nests its selections too deeply.",
        cause="Fields within fields, fragments counted where they are spread, go deeper than the limit.",
        remedy="Ask for what lies deeper in a request of its own, by its id.",
    ),
    ErrorCode.ALIAS_LIMIT_EXCEEDED: Explanation(
        meaning="The document has too many aliases.",
        cause="The same work is asked for again and again under other names.",
        remedy="Use a field that takes a list, such as availability(skus: …), or send several requests.",
    ),
    ErrorCode.DIRECTIVE_LIMIT_EXCEEDED: Explanation(
        meaning="The document has too many directives.",
        cause="There are more uses of @include, @skip and their like than the limit.",
        remedy="Leave out the fields that are not wanted instead.",
    ),
    ErrorCode.ROOT_FIELD_LIMIT_EXCEEDED: Explanation(
        meaning="The operation has too many root fields, or selects too much to be validated.",
        cause="More is asked for side by side than the limit.",
        remedy="Send several requests.",
    ),
    ErrorCode.GRAPHQL_PARSE_FAILED: Explanation(
        meaning="The document is not GraphQL.",
        cause="Its syntax is wrong at the place that the error names.",
        remedy="Correct the document.",
    ),
    ErrorCode.GRAPHQL_VALIDATION_FAILED: Explanation(
        meaning="The document does not fit the schema.",
        cause="It names a field, argument or type that is not there, or uses one wrongly; the message says which.",
        remedy="Compare it with schema.graphql, and generate clients from it.",
    ),
    ErrorCode.FORBIDDEN: Explanation(
        meaning="The caller's role may not ask for this.",
        cause="The operation, or a field in it, is for other roles.",
        remedy="Leave it out, or use credentials that may.",
        retry=Retry.WITH_CREDENTIALS,
    ),
    ErrorCode.COST_LIMIT_EXCEEDED: Explanation(
        meaning="The request costs more than any caller may spend at once.",
        cause="Its lists, multiplied with what is asked of each entry, come to more points than the bucket can hold.",
        remedy="Ask for smaller pages or fewer fields; extensions.cost says what a request costs.",
    ),
    ErrorCode.THROTTLED: Explanation(
        meaning="The caller has spent its points for now.",
        cause="It asks faster than its bucket of cost points is refilled.",
        remedy="Wait for `retryAfterMs`, then send the request again; spread the load.",
        retry=Retry.LATER,
    ),
    ErrorCode.SUBSCRIPTION_LIMIT_EXCEEDED: Explanation(
        meaning="This WebSocket carries as many operations as one may.",
        cause="Operations were begun and never completed, or there are too many for one socket.",
        remedy="Complete those that are no longer needed, or open another socket.",
    ),
    ErrorCode.BAD_USER_INPUT: Explanation(
        meaning="A variable's or an argument's value does not fit its type.",
        cause="A value is missing, null, out of range or of another type; the message says which.",
        remedy="Correct the value.",
    ),
    ErrorCode.INVALID_INPUT: Explanation(
        meaning="An argument of a query or a subscription cannot be served.",
        cause="A list is too long or empty, a page is larger than 250, or a cursor or position is none.",
        remedy="Correct the argument that the message names.",
    ),
    ErrorCode.CHANNEL_NOT_FOUND: Explanation(
        meaning="The channel to follow does not exist, or none that the caller may see.",
        cause="The code is wrong, or the channel is archived or lies outside what the credentials are for.",
        remedy="Check the code or id (case matters).",
        retry=Retry.WHEN_CHANGED,
    ),
    ErrorCode.OVERLOADED: Explanation(
        meaning="The gateway has more to do than it can hold; the request was not begun.",
        cause="The queue of commands is full.",
        remedy="Send it again after `retryAfterMs`, under the same idempotency key.",
        retry=Retry.LATER,
    ),
    ErrorCode.UNAVAILABLE: Explanation(
        meaning="The gateway could not answer in time; whether a change was kept is not known yet.",
        cause="The database did not answer before the deadline, or the gateway has just started and waits for it.",
        remedy="Send it again after `retryAfterMs`, under the same idempotency key: it moves once at the most.",
        retry=Retry.LATER,
    ),
    ErrorCode.POSITION_NOT_REACHED: Explanation(
        meaning="Nothing has happened yet at the position that `minPosition` names.",
        cause="The position is not of this gateway, or the database was put back to an earlier state, by a backup or "
        "by a standby that had not received the latest changes.",
        remedy="Name a position that this gateway has answered, or leave `minPosition` out and go on from the position "
        "of that answer; send changes again that may be lost, under the same idempotency keys.",
    ),
    ErrorCode.POSITION_EXPIRED: Explanation(
        meaning="The events after this position are no longer kept.",
        cause="The subscriber was away for longer than STOCKGATE_EVENT_RETENTION_DAYS, or the position is not of this "
        "gateway.",
        remedy="Take a new snapshot with a query, and subscribe after its position.",
    ),
    ErrorCode.SUBSCRIBER_TOO_SLOW: Explanation(
        meaning="The subscriber fell so far behind that it was closed; nothing was skipped.",
        cause="It reads more slowly than stock changes.",
        remedy="Subscribe again after the given `position`; follow fewer items, or availabilityChanged, which sends "
        "latest values only.",
        retry=Retry.RESUME,
    ),
    ErrorCode.GATEWAY_STOPPING: Explanation(
        meaning="The gateway is going down and ends its streams.",
        cause="It is stopped or restarted.",
        remedy="Connect again after `retryAfterMs`, and resume after the last position.",
        retry=Retry.RESUME,
    ),
    ErrorCode.INTERNAL_ERROR: Explanation(
        meaning="The gateway failed; the fault is its own.",
        cause="Something unforeseen, which the log holds under the `correlationId` of the error.",
        remedy="Give the operator the `correlationId`.",
        retry=Retry.REPORTED,
    ),
}
