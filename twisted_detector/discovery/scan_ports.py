"""Nothing goes in; the TCP ports that are worth a connect, and those that are never touched, come out."""

from __future__ import annotations

from collections.abc import Iterable

#: Ports behind which RTSP was found: 554 is its own (RFC 2326); 8554 and 10554 the usual second and third choice;
#: 5544, 5554 and 7070 of cheap makes; 88 newer Foscam; 322 and 8322 RTSP over TLS (RFC 7826); 7441 UniFi Protect.
RTSP_PORTS = (554, 8554, 10554, 5544, 5554, 7070, 88, 322, 8322, 7441)
#: Ports of ONVIF on cameras without an open RTSP port among those: 80 most; 8000 Reolink; 2020 TP-Link; 8899 XM.
#: 8080 and 5000 are left out: who has ONVIF there has RTSP on 554, and the inspector tries 8080 by itself.
HTTP_PORTS = (80, 8000, 2020, 8899)
#: The fourteen, likely ones first.
CAMERA_PORTS = (554, 80, 8554, 8000, 10554, 2020, 8899, 5544, 5554, 7070, 88, 322, 8322, 7441)
#: Dahua, XM (DVRIP) and Reolink (Baichuan): some cameras log a connect there as an illegal login. Never tried, not even
#: when told to.
FORBIDDEN_PORTS = frozenset({37777, 34567, 9000})


def ports_to_try(more: Iterable[int] = (), base: Iterable[int] = CAMERA_PORTS) -> tuple[int, ...]:
    """``base`` and then ``more``, each once, none of the forbidden ones."""
    return tuple(port for port in dict.fromkeys((*base, *more)) if port not in FORBIDDEN_PORTS)
