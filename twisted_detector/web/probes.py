"""What a supervisor or Prometheus asks goes in; whether the daemon lives and is ready, and its figures, come out.

Beside the API, at the paths where such programs look. Who may read the page may read the figures; whether it lives,
anybody may know.
"""

from __future__ import annotations

from twisted_detector.web.api import ApiResponse
from twisted_detector.web.requests import ParsedRequest
from twisted_detector.web.routes import Route
from twisted_detector.web.sources import Sources

_TEXT = "text/plain; charset=utf-8"

OPERATIONS: tuple[Route, ...] = (
    Route("GET", "/metrics", "metrics", "Figures for Prometheus.", media=("text/plain",)),
    Route("GET", "/healthz", "healthz", "Whether the daemon answers.", media=("text/plain",), public=True),
    Route("GET", "/readyz", "readyz", "Whether it does what it is for.", media=("text/plain",), public=True),
)


class Probes:
    """One method for each handler of the table."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def metrics(self, _: ParsedRequest) -> ApiResponse:
        data, media = self._sources.metrics()
        return ApiResponse(data, media)

    async def healthz(self, _: ParsedRequest) -> ApiResponse:
        return ApiResponse(b"ok\n", _TEXT)

    async def readyz(self, _: ParsedRequest) -> ApiResponse:
        missing = []
        if self._sources.mqtt()["state"] != "connected":
            missing.append("MQTT is not connected")
        if not self._sources.discovery().get("sweeps"):
            missing.append("no sweep has ended yet")
        if missing:
            return ApiResponse(f"{'; '.join(missing)}\n".encode(), _TEXT, 503)
        return ApiResponse(b"ok\n", _TEXT)
