"""Who calls a hook: a signature over the body, as the forges send it, or a token.

All names of headers are in small letters.
"""

import hashlib
import hmac
from collections.abc import Mapping

Headers = Mapping[str, str]

#: HMAC-SHA256 over the body, in hexadecimal digits; GitHub writes `sha256=` before them.
SIGNATURES = ("x-forgejo-signature", "x-gitea-signature", "x-gogs-signature", "x-hub-signature-256")
_TOKEN = "authorization"  # noqa: S105 - the name of a header
#: What the senders call one delivery; `idempotency-key` is for programs of one's own.
_DELIVERIES = ("x-forgejo-delivery", "x-gitea-delivery", "x-gogs-delivery", "x-github-delivery", "idempotency-key")
_EVENTS = ("x-forgejo-event", "x-gitea-event", "x-gogs-event", "x-github-event")


def signature(body: bytes, secret: str) -> str:
    """Return the HMAC-SHA256 of a body, in hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def genuine(headers: Headers, body: bytes, secret: str) -> bool:
    """Say whether whoever sent this knows the secret. Of several signatures, each must be right."""
    given = [headers[name].strip().lower().removeprefix("sha256=") for name in SIGNATURES if name in headers]
    if given:
        right = signature(body, secret)
        return all([_same(one, right) for one in given])  # noqa: C419 - each takes its time, so that none can be told
    scheme, _, token = headers.get(_TOKEN, "").strip().partition(" ")
    return scheme.lower() == "bearer" and _same(token.strip(), secret)


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())


def delivery_of(headers: Headers) -> str:
    """Return what the sender calls this delivery, the same when it is sent again; empty when it has no name."""
    return _first(headers, _DELIVERIES)


def event_of(headers: Headers) -> str:
    """Return what happened, in the sender's word, like `push`; empty when it does not say."""
    return _first(headers, _EVENTS)


def without_proof(headers: Headers) -> dict[str, str]:
    """Return the headers that a plugin may see: none that proves who sent them."""
    return {name: value for name, value in headers.items() if name not in {*SIGNATURES, _TOKEN, "x-hub-signature"}}


def _first(headers: Headers, names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := headers.get(name, "").strip())), "")
