"""State of the search on one RTSP port of a device: what was known of it, and what it answered so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted_detector.errors import RemoteError
from twisted_detector.inspection.rtsp.catalog import Hints, Path, paths_for
from twisted_detector.inspection.rtsp.client import RtspClient
from twisted_detector.inspection.rtsp.connection import RtspConnectionClosed, RtspSilence
from twisted_detector.inspection.rtsp.description import request_url
from twisted_detector.inspection.rtsp.media_server import RtspAnswers
from twisted_detector.inspection.rtsp.path_memory import PathMemory
from twisted_detector.model import Candidate, host_for_url
from twisted_detector.wire.rtsp.url import split_url


@dataclass
class RtspServer:
    """One port of a device, while it is inspected.

    :ivar search_until: wall seconds after which no path is tried.
    :ivar tried: paths that were tried.
    :ivar unknown: how it refused a path that cannot exist.
    :ivar unanswered: how it gave no answer to one, None where it answered.
    :ivar silent: paths that were met with silence.
    :ivar guarded: it wanted a login for OPTIONS already; ``session``: what it calls a stream, or "".
    """

    client: RtspClient
    candidate: Candidate
    port: int = field(kw_only=True)
    tls: bool = field(kw_only=True)
    memory: PathMemory = field(kw_only=True)
    search_until: float = field(kw_only=True)
    tried: int = field(default=0, init=False)
    wants_login: bool = field(default=False, init=False)
    unknown: str = field(default="", init=False)
    unanswered: RtspConnectionClosed | RtspSilence | None = field(default=None, init=False)
    silent: int = field(default=0, init=False)
    guarded: bool = field(default=False, init=False)
    session: str = field(default="", init=False)

    def url(self, path: str) -> str:
        """The URL as it is published: with the scope of a link-local address."""
        return f"{'rtsps' if self.tls else 'rtsp'}://{host_for_url(self.candidate.address)}:{self.port}{path}"

    def target(self, path: str) -> str:
        """The URL as it stands in a request."""
        return request_url(split_url(self.url(path)))

    @property
    def hints(self) -> Hints:
        return Hints(self.client.server, self.client.realm, self.candidate.scopes, (self.port,), self.candidate.vendors)

    @property
    def catalog(self) -> tuple[Path, ...]:
        """Paths of the catalog that are not known to be missing, likeliest first."""
        return tuple(path for path in paths_for(self.hints) if path.main not in self.memory.missing)

    @property
    def known(self) -> tuple[Path, ...]:
        """What worked before on this port: the pair that an inspection found, or else the paths of known streams."""
        if self.memory.found is not None:
            return (self.memory.found,)
        paths: dict[str, Path] = {}
        for text in self.candidate.known_urls:
            try:
                url = split_url(text)
            except RemoteError:
                continue
            if (url.port, url.tls) == (self.port, self.tls) and url.target:
                paths.setdefault(url.target, Path(url.target, "", rule="known", vendors=()))
        return tuple(paths.values())

    def answers(self, *, searched: bool = False) -> RtspAnswers:
        """What it said of itself.

        :param searched: the search for paths is over, and found none.
        """
        memory = self.memory
        none = searched and bool(memory.missing) and not self.catalog and not memory.odd and self.unanswered is None
        client = self.client
        return RtspAnswers(client.server, client.realm, client.public, self.session, self.guarded, none)
