"""TCP ports of cameras that a sweep tries, likely ones first; never one of ``SILENT_PORTS``."""

from __future__ import annotations

from collections.abc import Iterable

from twisted_detector.model.addresses import RTSP_PORTS as RTSP_PORTS, SILENT_PORTS

#: Ports of ONVIF on cameras without an open RTSP port among those: 80 most; 8000 Reolink; 2020 TP-Link; 8899 XM.
#: 8080 and 5000 are left out: a camera with ONVIF there has another port of these, and the inspector tries both then.
HTTP_PORTS = (80, 8000, 2020, 8899)
#: The fourteen, likely ones first.
CAMERA_PORTS = (554, 80, 8554, 8000, 10554, 2020, 8899, 5544, 5554, 7070, 88, 322, 8322, 7441)


def ports_to_try(more: Iterable[int] = (), base: Iterable[int] = CAMERA_PORTS) -> tuple[int, ...]:
    """``base`` and then ``more``, each once, none of the forbidden ones."""
    return tuple(port for port in dict.fromkeys((*base, *more)) if port not in SILENT_PORTS)
