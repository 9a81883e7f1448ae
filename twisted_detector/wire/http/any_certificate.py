"""TLS options for peers whose certificate is never verified: it encrypts, and proves nothing about the peer.

Cameras, and Frigate as it is installed, sign their own certificates, and there is no authority that could be asked.
Cameras also speak what was usual when their firmware was written: who is not verified can be anybody, so an old cipher
takes nothing away there. Programs that run beside us are new, and get the usual strength.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from OpenSSL._util import lib
from OpenSSL.SSL import (
    OP_ALL,
    OP_LEGACY_SERVER_CONNECT,
    TLS1_VERSION,
    TLS_CLIENT_METHOD,
    VERIFY_NONE,
    Connection,
    Context,
    Error,
)
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

#: All that encrypts, with keys and signatures of any length: Diffie-Hellman of 1 024 bits, RSA, SHA-1.
_OLD_CIPHERS = b"ALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0"
#: A key is sent for the first of them, which every device has (RFC 8446, 9.1); the keys of certificates may be on the
#: others. With the library's own groups the first message is longer than a packet, and small servers read one.
_GROUPS = b"P-256:X25519:P-384:P-521"
#: By a word of OpenSSL's, what failed; the first that fits.
_FAILURES = (
    ("wrong version number", "what answers there does not speak TLS"),
    ("http request", "what answers there does not speak TLS"),
    ("packet length too long", "what answers there does not speak TLS"),
    ("record layer failure", "what answers there does not speak TLS"),
    ("alert protocol version", "no version of TLS in common: the device refused ours"),
    ("unsupported protocol", "no version of TLS in common: the device's is older than TLS 1.0"),
    ("alert handshake failure", "the device refused the handshake: most likely no cipher in common"),
    ("alert insufficient security", "the device refused the handshake: it wants stronger ciphers"),
    ("alert certificate required", "the device wants a certificate of ours"),
    ("alert bad certificate", "the device wants a certificate of ours"),
    ("unrecognized name", "the device wants to be called by a name"),
)


@implementer(IPolicyForHTTPS, IOpenSSLClientConnectionCreator)
class AnyCertificate:
    """TLS that accepts every certificate: the options of an endpoint, and the policy of a :class:`Agent`.

    :param old: for cameras: versions, ciphers, keys and signatures that are not used elsewhere any more.
    """

    def __init__(self, *, old: bool = False) -> None:
        self._old = old

    def creatorForNetloc(self, hostname: bytes, port: int) -> AnyCertificate:
        """See :class:`IPolicyForHTTPS`; the same for every host."""
        return self

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Connection:
        """See :class:`IOpenSSLClientConnectionCreator`."""
        return Connection(_old_context() if self._old else _context(), None)


def explain(error: BaseException | None) -> str:
    """What ended a handshake, for people: OpenSSL's words where there are none of ours.

    :param error: with which the connection was lost.
    """
    if not isinstance(error, Error):
        return "the device closed the connection during the handshake"
    said = error.args[0] if error.args and isinstance(error.args[0], list) else []
    words = ", ".join(str(one[-1]) for one in said if one and one[-1])
    for word, meaning in _FAILURES:
        if word in words:
            return meaning
    return words or "the handshake failed, and OpenSSL does not say why"


@cache
def _context() -> Any:
    """Made once: it reads the ciphers anew each time."""
    return CertificateOptions(verify=False).getContext()


@cache
def _old_context() -> Context:
    context = Context(TLS_CLIENT_METHOD)
    context.set_verify(VERIFY_NONE)
    context.set_min_proto_version(TLS1_VERSION)
    # Renegotiation as before RFC 5746: we never renegotiate, and a device that cannot say so is refused else.
    context.set_options(OP_ALL | OP_LEGACY_SERVER_CONNECT)
    # pyOpenSSL passes on one group only; what it is built on takes several.
    set_groups = getattr(lib, "SSL_CTX_set1_curves_list", None)
    if set_groups is None or not set_groups(context._context, _GROUPS):
        context.set_tmp_ecdh(SECP256R1())
    context.set_cipher_list(_OLD_CIPHERS)
    return context
