"""TLS options for peers whose certificate is never verified: it encrypts, and proves nothing about the peer.

Cameras, and Frigate as it is installed, sign their own certificates, and there is no authority that could be asked.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from OpenSSL.SSL import Connection
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer


@implementer(IPolicyForHTTPS, IOpenSSLClientConnectionCreator)
class AnyCertificate:
    """TLS that accepts every certificate: the options of an endpoint, and the policy of a :class:`Agent`."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> AnyCertificate:
        """See :class:`IPolicyForHTTPS`; the same for every host."""
        return self

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Connection:
        """See :class:`IOpenSSLClientConnectionCreator`."""
        return Connection(_context(), None)


@cache
def _context() -> Any:
    """Made once: it reads the ciphers anew each time."""
    return CertificateOptions(verify=False).getContext()
