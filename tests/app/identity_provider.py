"""An identity provider on this machine: it signs tokens and publishes its keys over HTTP; the one rule: what it
answers, and whether it does, is the test's word.
"""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.identity_tokens import IdentityProvider

ISSUER = "https://id.shop.example"
AUDIENCE = "stockgate"
ACCOUNT, CHANNELS, LOCATIONS = "stockgate_account", "stockgate_channels", "stockgate_locations"
HANG_SECONDS_MAX = 20.0
Claims = Mapping[str, object]
Key = RSAPrivateKey | EllipticCurvePrivateKey


@dataclass(slots=True, kw_only=True)
class Provider:
    """The provider as it stands; `body` and `status` are what it answers, unless it hangs."""

    keys: dict[str, Key]
    port: int = 0
    status: int = 200
    body: bytes | None = None
    asked_count: int = 0
    answers: threading.Event = field(default_factory=threading.Event)

    def settings(self) -> IdentityProvider:
        """Return what a gateway has to know of it."""
        return IdentityProvider(
            issuer=ISSUER,
            audience=AUDIENCE,
            keys_url=f"http://127.0.0.1:{self.port}/keys",
            account_claim=ACCOUNT,
            channels_claim=CHANNELS,
            locations_claim=LOCATIONS,
        )

    def published(self) -> bytes:
        """Return what it answers."""
        if self.body is not None:
            return self.body
        return json.dumps({"keys": [jwk(key, key_id) for key_id, key in self.keys.items()]}).encode()

    def token(self, key_id: str = "rsa", *, leave_out: str | None = None, **claims: object) -> str:
        """Return a token of the account erp, good for an hour, but for these claims."""
        key = self.keys[key_id]
        said = {name: value for name, value in (plain_claims() | claims).items() if name != leave_out}
        # The plain signature: a library that makes tokens refuses to make odd ones.
        return jwt.PyJWS().encode(json.dumps(said).encode(), key, algorithm=algorithm_of(key), headers={"kid": key_id})


def plain_claims() -> dict[str, object]:
    """Return what a good token says."""
    now = int(time.time())
    return {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 3600, "iat": now, "sub": "anna", ACCOUNT: "erp"}


def signed_by_hand(header: Claims, claims: Claims, *, secret: bytes | None = None, payload: bytes | None = None) -> str:
    """Return a token as no library would make it: signed with a shared secret, or not at all."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode() if payload is None else payload]
    text = b".".join(_base64url(part) for part in parts)
    signature = b"" if secret is None else hmac.new(secret, text, hashlib.sha256).digest()
    return b".".join([text, _base64url(signature)]).decode()


def public_pem(key: Key) -> bytes:
    """Return the public half as everybody may have it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def algorithm_of(key: Key) -> str:
    """Return the algorithm of a key's signatures."""
    return "RS256" if isinstance(key, RSAPrivateKey) else "ES256"


def jwk(key: Key, key_id: str) -> dict[str, Any]:
    """Return the public half as providers publish it."""
    algorithm = jwt.get_algorithm_by_name(algorithm_of(key))
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", "alg": algorithm_of(key)}


def new_keys() -> dict[str, Key]:
    """Return a key of each kind; making them takes a moment."""
    return {"rsa": new_rsa_key(public_exponent=65537, key_size=2048), "ec": new_ec_key(SECP256R1())}


@contextmanager
def open_provider(keys: Mapping[str, Key]) -> Iterator[Provider]:
    """Publish keys on a free port of this machine."""
    provider = Provider(keys=dict(keys))
    provider.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked_count += 1
            provider.answers.wait(timeout=HANG_SECONDS_MAX)
            body = provider.published()
            self.send_response(provider.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            """Answer; a caller may have gone away."""
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        serving.start()
        try:
            yield provider
        finally:
            provider.answers.set()
            server.shutdown()
            serving.join(timeout=HANG_SECONDS_MAX)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
