"""``WWW-Authenticate`` texts and a login go in; challenges and the ``Authorization`` text that answers one come out.

HTTP and RTSP share this scheme: Digest is RFC 7616 (with RFC 2617 and RFC 2069 devices understood), Basic RFC 7617,
the grammar of the headers RFC 9110 section 11.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted_detector.errors import LocalError
from twisted_detector.model import Login

#: Longest header read: challenges of real devices stay below 400 characters; 8 KiB is a usual header limit of servers.
MAX_HEADER = 8192
#: Most challenges kept: a device offers one to three (algorithms times schemes).
MAX_CHALLENGES = 16

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar's token, RFC 9110 section 5.6.2
_PARAMETER = re.compile(rf"({_TOKEN})[ \t]*=[ \t]*")
_WORD = re.compile(_TOKEN)
_QUOTED = re.compile(r'[^"\\]+|\\.|\\|"')
#: What follows a quote within a value that a server did not escape: more of it, up to the quote before a separator.
_MORE_QUOTED = re.compile(r'[^",;=][^,;=]{0,200}"[ \t]*(?:[,;]|$)')
#: What ends a value without quotes: the next parameter, or another challenge of a scheme that is known.
_FOLLOWING = re.compile(rf"[ \t](?=(?:(?:Digest|Basic)[ \t]+)?{_TOKEN}[ \t]*=)", re.IGNORECASE)
_FOLD = re.compile(r"\r?\n[ \t]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_ALGORITHMS: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA256": lambda data: hashlib.sha256(data).hexdigest(),  # some devices forget the hyphen
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
}
_RANK = {"SHA-512-256": 3, "SHA-256": 3, "SHA256": 3, "MD5": 2}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a server.

    :ivar scheme: ``digest`` or ``basic``.
    :ivar algorithm: as the server wrote it, "" when it named none (then it is MD5).
    :ivar qop: as the server wrote it, for instance ``auth,auth-int``; "" selects the RFC 2069 form.
    :ivar opaque: to be sent back as it came; None when the server gave none.
    :ivar stale: the login was right, only the nonce is too old.
    """

    scheme: str
    realm: str = ""
    nonce: str = ""
    algorithm: str = ""
    qop: str = ""
    opaque: str | None = None
    stale: bool = False

    @property
    def hash_name(self) -> str:
        """The hash in capitals without ``-SESS``; MD5 when none was named."""
        return self.algorithm.upper().removesuffix("-SESS") or "MD5"

    @property
    def chosen_qop(self) -> str | None:
        """``auth`` before ``auth-int``; "" when none is offered; None when none of the offered is known."""
        offered = [word for word in re.split(r"[\s,]+", self.qop.lower()) if word]
        if not offered:
            return ""
        return next((word for word in ("auth", "auth-int") if word in offered), None)

    @property
    def supported(self) -> bool:
        """Whether :func:`authorization` can answer it."""
        return self.scheme == "basic" or (self.hash_name in _ALGORITHMS and self.chosen_qop is not None)

    def asks_the_same(self, other: Challenge) -> bool:
        """Whether the two differ in nothing but what is new each time."""
        ours, theirs = ((one.scheme, one.realm, one.hash_name, one.chosen_qop) for one in (self, other))
        return ours == theirs


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges in the values of one message's ``WWW-Authenticate`` headers, in order.

    Several may stand in one value; folded lines, stray commas, quoted commas and quoted flags are understood. What is
    neither Digest with a nonce nor Basic is skipped: nothing here raises. Values over 8 KiB are cut.
    """
    challenges: list[Challenge] = []
    for header in headers:
        for scheme, parameters in split_challenges(header[:MAX_HEADER]):
            if len(challenges) == MAX_CHALLENGES:
                return tuple(challenges)
            if scheme == "basic":
                challenges.append(Challenge("basic", parameters.get("realm", "")))
            elif scheme == "digest" and "nonce" in parameters:  # it may be empty: some firmware makes none
                challenges.append(
                    Challenge(
                        scheme="digest",
                        realm=parameters.get("realm", ""),
                        nonce=parameters["nonce"],
                        algorithm=parameters.get("algorithm", ""),
                        qop=parameters.get("qop", ""),
                        opaque=parameters.get("opaque"),
                        stale=parameters.get("stale", "").lower() == "true",
                    )
                )
    return tuple(challenges)


def choose(challenges: Iterable[Challenge], *, allow_basic: bool) -> Challenge | None:
    """The strongest challenge that can be answered: SHA-2 before MD5 before Basic; None when there is none.

    Of equals the first wins: the order is the server's preference (RFC 7616 section 3.7).
    """
    best: Challenge | None = None
    best_rank = 0
    for challenge in challenges:
        if challenge.scheme == "basic":
            rank = 1 if allow_basic else 0
        else:
            rank = _RANK[challenge.hash_name] if challenge.supported else 0
        if rank > best_rank:
            best, best_rank = challenge, rank
    return best


def authorization(
    challenge: Challenge,
    name: str,
    password: str,
    method: str,
    uri: str,
    *,
    cnonce: str,
    nonce_count: int = 1,
    body: bytes = b"",
) -> str:
    """The value of ``Authorization`` that answers ``challenge`` for one request.

    :param uri: the request target exactly as it stands in the request line.
    :param cnonce: fresh random text of the caller; used with ``qop`` and ``-sess`` only.
    :param nonce_count: 1 for the first request with this nonce, one more for each further one.
    :param body: the request's body, used with ``auth-int`` only.
    :raises LocalError: a challenge that is not ``supported``, or control characters in what goes into the header.
    """
    if not challenge.supported:
        raise LocalError("a challenge that cannot be answered", shown=f"{challenge.scheme} {challenge.algorithm}")
    if any(_CONTROL.search(text) for text in (name, uri, method, cnonce)):
        raise LocalError("control characters do not go into a header")
    if challenge.scheme == "basic":
        if ":" in name:
            raise LocalError("a user name for Basic has no colon (RFC 7617 section 2)")
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
    qop = challenge.chosen_qop or ""
    count = f"{nonce_count:08x}"
    response = digest_response(challenge, name, password, method, uri, qop=qop, cnonce=cnonce, count=count, body=body)
    # In curl's order: some cameras (Lilin: icholy/digest #8) read nothing behind the response.
    parts = [
        f"username={quoted(name)}",
        f"realm={quoted(challenge.realm)}",
        f"nonce={quoted(challenge.nonce)}",
        f"uri={quoted(uri)}",
    ]
    if qop or _is_session(challenge):
        parts.append(f"cnonce={quoted(cnonce)}")
    if qop:
        parts += [f"nc={count}", f"qop={qop}"]
    parts.append(f'response="{response}"')
    if challenge.opaque is not None:
        parts.append(f"opaque={quoted(challenge.opaque)}")
    if challenge.algorithm:
        parts.append(f"algorithm={challenge.algorithm}")
    return "Digest " + ", ".join(parts)


# --- Details --------------------------------------------------------------------------------------------------------


def _is_session(challenge: Challenge) -> bool:
    return challenge.algorithm.upper().endswith("-SESS")


class Authenticator:
    """Answers one challenge, request after request, with a nonce count of its own.

    :param cnonce: makes fresh random text.
    """

    def __init__(self, challenge: Challenge, cnonce: Callable[[], str]) -> None:
        self.challenge = challenge
        self._cnonce = cnonce
        self._count = 0

    def authorization(self, login: Login, method: str, uri: str, body: bytes = b"") -> str:
        """The value of ``Authorization`` for the next request; see :func:`authorization`."""
        self._count += 1
        name, password = login.name, login.password.reveal()
        return authorization(
            self.challenge, name, password, method, uri, cnonce=self._cnonce(), nonce_count=self._count, body=body
        )


def digest_response(
    challenge: Challenge,
    name: str,
    password: str,
    method: str,
    uri: str,
    *,
    qop: str,
    cnonce: str,
    count: str,
    body: bytes,
) -> str:
    """The ``response`` parameter (RFC 7616 section 3.4.1)."""
    digest = _ALGORITHMS[challenge.hash_name]

    def joined(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8", "surrogateescape"))

    secret = joined(name, challenge.realm, password)
    if _is_session(challenge):
        secret = joined(secret, challenge.nonce, cnonce)
    request = joined(method, uri, digest(body)) if qop == "auth-int" else joined(method, uri)
    if qop:
        return joined(secret, challenge.nonce, count, cnonce, qop, request)
    return joined(secret, challenge.nonce, request)


def quoted(text: str) -> str:
    """``text`` as a quoted-string (RFC 9110 section 5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    """Scheme in lower case with its parameters (names in lower case, the first of equal names wins).

    Parameters may stand with commas between them, with blanks, or with nothing after a quote.
    """
    found: list[tuple[str, dict[str, str]]] = []
    header = _CONTROL.sub(" ", _FOLD.sub(" ", header))
    position = 0
    while position < len(header):
        parameter = _PARAMETER.match(header, position)
        if parameter is not None:
            value, position = _value(header, parameter.end())
            if found:
                found[-1][1].setdefault(parameter[1].lower(), value)
            continue
        word = _WORD.match(header, position)
        if word is not None:
            found.append((word[0].lower(), {}))
        position = word.end() if word is not None else position + 1
    return found


def _value(header: str, start: int) -> tuple[str, int]:
    """The parameter's value that begins at ``start``, and where it ends.

    A value without quotes may hold blanks (``realm=IP Camera``): it ends at a comma, or before the next parameter.
    """
    if header.startswith('"', start):
        characters: list[str] = []
        within = False
        for piece in _QUOTED.finditer(header, start + 1):
            if piece[0] == '"':
                if not within and _MORE_QUOTED.match(header, piece.end()) is None:
                    return "".join(characters), piece.end()
                within = not within
            characters.append(piece[0][1:] if piece[0].startswith("\\") else piece[0])
        return "".join(characters), len(header)
    end = header.find(",", start)
    end = end if end >= 0 else len(header)
    following = _FOLLOWING.search(header, start, end)
    end = following.start() if following is not None else end
    return header[start:end].strip(), end
