"""Endpoints for supervisors and Prometheus: liveness, readiness, and figures.

Beside the API, at the paths where such programs expect them. The figures need the same token as the page; liveness and
readiness are public.
"""

from __future__ import annotations

from twisted_detector.web.api.requests import ParsedRequest
from twisted_detector.web.api.response import ApiResponse
from twisted_detector.web.api.route import Route
from twisted_detector.web.facade import DaemonFacade

_TEXT = "text/plain; charset=utf-8"

MONITORING_ROUTES: tuple[Route, ...] = (
    Route("GET", "/metrics", "metrics", "Figures for Prometheus.", media=("text/plain",)),
    Route("GET", "/healthz", "healthz", "Whether the daemon answers.", media=("text/plain",), public=True),
    Route("GET", "/readyz", "readyz", "Whether it does what it is for.", media=("text/plain",), public=True),
)


class MonitoringEndpoints:
    """One method for each handler of the table."""

    def __init__(self, facade: DaemonFacade) -> None:
        self._facade = facade

    async def metrics(self, _: ParsedRequest) -> ApiResponse:
        data, media = self._facade.metrics()
        return ApiResponse(data, media)

    async def healthz(self, _: ParsedRequest) -> ApiResponse:
        return ApiResponse(b"ok\n", _TEXT)

    async def readyz(self, _: ParsedRequest) -> ApiResponse:
        missing = []
        if self._facade.mqtt()["state"] != "connected":
            missing.append("MQTT is not connected")
        if not self._facade.discovery().get("sweeps"):
            missing.append("no sweep has ended yet")
        if missing:
            return ApiResponse(f"{'; '.join(missing)}\n".encode(), _TEXT, 503)
        return ApiResponse(b"ok\n", _TEXT)
