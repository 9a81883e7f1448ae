"""Values that tests are made of, with usual defaults."""

from __future__ import annotations

from typing import Any

from twisted_detector.model import (
    Adoption,
    Candidate,
    Evidence,
    EvidenceKind,
    Inspection,
    Login,
    Mac,
    Proof,
    Secret,
    Sighting,
    Stream,
    StreamReport,
)
from twisted_detector.registry.adoption import AdoptionBook

A, B, C = (Mac.parse(f"02:00:00:00:00:0{digit}") for digit in "abc")
PLAYS = StreamReport(Proof.KEYFRAME, validated=True, codec="H264", width=1920, height=1080, fps=25.0)
SILENT = StreamReport(Proof.UNREACHABLE, validated=False, reason="no answer")


def sighting(address: str = "10.0.0.5", mac: Mac | None = None, reference: str = "", **more: Any) -> Sighting:
    more.setdefault("method", "memory")
    return Sighting(address=address, seen_at=0.0, mac=mac, endpoint_reference=reference, **more)


def stream(
    address: str = "10.0.0.5", path: str = "main", source: str = "", *, plays: bool = True, **more: Any
) -> Stream:
    more.setdefault("proof", Proof.KEYFRAME if plays else Proof.RTSP)
    more.setdefault("reason", "" if plays else "404 Not Found")
    return Stream(url=f"rtsp://{address}:554/{path}", name=path, source=source, validated=plays, **more)


def inspection(address: str = "10.0.0.5", *streams: Stream, **more: Any) -> Inspection:
    more.setdefault("manufacturer", "Acme")
    return Inspection(inspector="scripted", address=address, at=0.0, streams=streams or (stream(address),), **more)


def login(name: str = "admin", password: str = "secret") -> Login:
    return Login(name, Secret(password))


def candidate(address: str = "10.0.0.5", mac: Mac | None = A, reference: str = "", **more: Any) -> Candidate:
    more.setdefault("adoption", Adoption.FIRST_RUN)
    return Candidate(device_id="x", address=address, mac=mac, endpoint_reference=reference, **more)


def adopting() -> AdoptionBook:
    """A book that adopts every device whose MAC is seen, so that it may be given logins."""
    return AdoptionBook(mode="all")


def serial(value: str) -> Evidence:
    return Evidence(EvidenceKind.SERIAL, value, "test", 0.0)
