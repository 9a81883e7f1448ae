"""Challenges go in, ``WWW-Authenticate`` texts come out; ``Authorization`` texts go in, and are verified."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable

from twisted_detector.wire.http.digest import MAX_HEADER, Challenge, digest_response, quoted, split_challenges


def format_challenge(challenge: Challenge) -> str:
    """The value of ``WWW-Authenticate`` that states ``challenge``."""
    if challenge.scheme == "basic":
        return f"Basic realm={quoted(challenge.realm)}"
    parts = [f"realm={quoted(challenge.realm)}"]
    if challenge.qop:
        parts.append(f"qop={quoted(challenge.qop)}")
    parts.append(f"nonce={quoted(challenge.nonce)}")
    if challenge.opaque is not None:
        parts.append(f"opaque={quoted(challenge.opaque)}")
    if challenge.algorithm:
        parts.append(f"algorithm={challenge.algorithm}")
    if challenge.stale:
        parts.append("stale=true")
    return "Digest " + ", ".join(parts)


def parse_authorization(header: str) -> tuple[str, dict[str, str]]:
    """Scheme in lower case and parameters of an ``Authorization`` value; Basic gives ``username`` and ``password``.

    What cannot be read gives ``("", {})``: for a server both are a login that is refused.
    """
    header = header[:MAX_HEADER]
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            plain = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return "", {}
        name, colon, password = plain.partition(":")
        return ("basic", {"username": name, "password": password}) if colon else ("", {})
    found = split_challenges(header)
    return found[0] if len(found) == 1 else ("", {})


def verify(
    header: str,
    method: str,
    password_of: Callable[[str], str | None],
    *,
    challenge: Challenge | None = None,
    body: bytes = b"",
) -> bool:
    """Whether an ``Authorization`` value proves the password that ``password_of(user name)`` knows.

    :param challenge: what was asked: scheme, realm, nonce and algorithm must be the same; None accepts any.
    """
    scheme, given = parse_authorization(header)
    if challenge is not None and scheme != challenge.scheme:
        return False
    password = password_of(given.get("username", ""))
    if password is None:
        return False
    if scheme == "basic":
        return hmac.compare_digest(given["password"].encode(), password.encode())
    if scheme != "digest" or not given.get("uri"):
        return False
    said = Challenge(
        scheme="digest",
        realm=given.get("realm", ""),
        nonce=given.get("nonce", ""),
        algorithm=given.get("algorithm", ""),
        qop=given.get("qop", ""),
    )
    if not said.supported:
        return False
    if challenge is not None and (
        (said.realm, said.nonce) != (challenge.realm, challenge.nonce)
        or (said.algorithm.upper() or "MD5") != (challenge.algorithm.upper() or "MD5")
        or (challenge.chosen_qop == "auth-int" and said.chosen_qop != "auth-int")
    ):
        return False
    expected = digest_response(
        said,
        given.get("username", ""),
        password,
        method,
        given["uri"],
        qop=said.chosen_qop or "",
        cnonce=given.get("cnonce", ""),
        count=given.get("nc", ""),
        body=body,
    )
    return hmac.compare_digest(given.get("response", "").lower().encode(), expected.encode())
