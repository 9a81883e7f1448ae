"""Scripted ONVIF device: an HTTP server whose every answer is the rogue's choice, and its WS-Discovery.

:class:`Device` answers each operation as an open device does; a rogue overrides :meth:`Device.answer`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import struct
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

GROUP = ("239.255.255.250", 3702)
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
#: Bytes of a request that are read; ours are much shorter.
MAX_REQUEST = 65_536
#: Seconds for one request.
PATIENCE = 15.0
#: A token that is dated later than this is good for an attack another day (no time zone is further away).
FUTURE = timedelta(hours=15)

_BODY = re.compile(rb"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)")
_CREATED = re.compile(rb"<(?:\w+:)?Created[^>]*>([^<]+)<")
_PLAIN_TOKEN = re.compile(rb"PasswordText")
_MESSAGE_ID = re.compile(rb"<(?:\w+:)?MessageID[^>]*>\s*([^<\s]+)")


def settings() -> dict[str, Any]:
    """What the scenario gave: the JSON object of the first argument."""
    given: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    return given


def tell(event: str, **facts: object) -> None:
    """Print one line."""
    print(json.dumps({"at": round(time.time(), 3), "event": event, **facts}), flush=True)


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came.

    :ivar target: path and query, byte for byte.
    :ivar headers: by lower-case name; the last of a name counts.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    peer: str
    raw: bytes = b""

    @property
    def operation(self) -> str:
        """Local name of the element in the SOAP body, "" when there is none."""
        found = _BODY.search(self.body)
        return found.group(1).decode() if found else ""

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    @property
    def has_token(self) -> bool:
        """Whether it carries a WS-UsernameToken."""
        return b"UsernameToken" in self.body

    @property
    def has_login(self) -> bool:
        return bool(self.authorization) or self.has_token

    def tell_login(self) -> None:
        """Print which kind of login it carries, if any, and where it was sent."""
        facts: dict[str, object] = {"target": self.target, "operation": self.operation, "peer": self.peer}
        scheme = self.authorization.partition(" ")[0].lower()
        if scheme == "basic":
            name, _, password = base64.b64decode(self.authorization.partition(" ")[2]).decode("latin-1").partition(":")
            tell("login", kind="clear", user=name, length=len(password), **facts)
        elif scheme:
            tell("login", kind="digest", **facts)
        if self.has_token:
            kind = "clear" if _PLAIN_TOKEN.search(self.body) else "token"
            created = _CREATED.search(self.body)
            when = created.group(1).decode() if created else ""
            tell("login", kind=kind, created=when, postdated=is_postdated(when), **facts)


def is_postdated(created: str) -> bool:
    """Whether a token's time is one that no honest clock shows now."""
    try:
        when = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return False
    return when.replace(tzinfo=when.tzinfo or UTC) > datetime.now(UTC) + FUTURE


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    content_type: str = "application/soap+xml; charset=utf-8"


def envelope(inner: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema"'
        f' xmlns:tds="{DEVICE}" xmlns:trt="{MEDIA}"><s:Body>{inner}</s:Body></s:Envelope>'
    ).encode()


def not_authorized() -> Answer:
    """The SOAP fault by which a device asks for a WS-UsernameToken."""
    inner = (
        '<s:Fault xmlns:ter="http://www.onvif.org/ver10/error"><s:Code><s:Value>s:Sender</s:Value><s:Subcode>'
        "<s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code>"
        '<s:Reason><s:Text xml:lang="en">Sender not Authorized</s:Text></s:Reason></s:Fault>'
    )
    return Answer(400, envelope(inner))


def challenged(*challenges: str) -> Answer:
    return Answer(401, b"", tuple(("WWW-Authenticate", one) for one in challenges))


def digest_challenge(realm: str, nonce: str) -> str:
    return f'Digest realm="{realm}", qop="auth", nonce="{nonce}"'


def _said(service: str, operation: str, inner: str) -> bytes:
    return envelope(f"<{service}:{operation}Response>{inner}</{service}:{operation}Response>")


@dataclass
class Device:
    """One device.

    :ivar address: where it listens, and whence it speaks; :ivar interface: that joins the group, as text address.
    :ivar profiles: (token, name, stream URI) of each.
    :ivar clock_ahead: seconds by which its clock is wrong.
    :ivar media: XAddr of its media service, "" for the usual one.
    """

    address: str
    port: int = 80
    mac: str = ""
    name: str = "Door"
    manufacturer: str = "Acme"
    path: str = "/onvif/device_service"
    profiles: Sequence[tuple[str, str, str]] = ()
    snapshot: str = ""
    clock_ahead: float = 0.0
    media: str = ""
    reference: str = field(default_factory=lambda: uuid.uuid4().urn)

    # --- what it says ----------------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        return f"http://{self.address}" if self.port == 80 else f"http://{self.address}:{self.port}"

    @property
    def xaddr(self) -> str:
        return self.base + self.path

    def answer(self, request: Request) -> Answer:
        """The answer to one request; a rogue has its own."""
        return self.open_answer(request)

    async def answer_later(self, request: Request) -> Answer:
        """The same, for a rogue that asks somebody else first."""
        return self.answer(request)

    def rtsp_challenges(self, request: Request) -> Sequence[str]:
        """What its streams ask for."""
        return ('Basic realm="IP Camera"',)

    def open_answer(self, request: Request) -> Answer:
        """As a device answers that wants no login."""
        inner = self._inner(request)
        if inner is None:
            return Answer(404, b"", content_type="text/plain")
        return Answer(200, inner)

    def _inner(self, request: Request) -> bytes | None:
        operation = request.operation
        writers: dict[str, Callable[[], bytes]] = {
            "GetSystemDateAndTime": self._date,
            "GetServices": self._services,
            "GetCapabilities": self._capabilities,
            "GetEndpointReference": lambda: _said("tds", operation, f"<tds:GUID>{self.reference}</tds:GUID>"),
            "GetHostname": lambda: _said(
                "tds", operation, "<tds:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP></tds:HostnameInformation>"
            ),
            "GetScopes": self._scopes,
            "GetDeviceInformation": self._information,
            "GetNetworkInterfaces": self._interfaces,
            "GetProfiles": self._profiles,
            "GetStreamUri": lambda: self._uri(operation, self._stream_of(request.body)),
            "GetSnapshotUri": lambda: self._uri(operation, self.snapshot),
        }
        return writers[operation]() if operation in writers else None

    def _date(self) -> bytes:
        now = datetime.now(UTC) + timedelta(seconds=self.clock_ahead)
        return _said(
            "tds",
            "GetSystemDateAndTime",
            "<tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType><tt:DaylightSavings>false"
            "</tt:DaylightSavings><tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}"
            f"</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month>"
            f"<tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime>",
        )

    def _services(self) -> bytes:
        xaddrs = {DEVICE: self.xaddr, MEDIA: self.media or f"{self.base}/onvif/media"}
        return _said(
            "tds",
            "GetServices",
            "".join(
                f"<tds:Service><tds:Namespace>{name}</tds:Namespace><tds:XAddr>{escape(xaddr)}</tds:XAddr><tds:Version>"
                "<tt:Major>2</tt:Major><tt:Minor>5</tt:Minor></tds:Version></tds:Service>"
                for name, xaddr in xaddrs.items()
            ),
        )

    def _capabilities(self) -> bytes:
        media = escape(self.media or f"{self.base}/onvif/media")
        return _said(
            "tds",
            "GetCapabilities",
            f"<tds:Capabilities><tt:Device><tt:XAddr>{escape(self.xaddr)}</tt:XAddr></tt:Device>"
            f"<tt:Media><tt:XAddr>{media}</tt:XAddr></tt:Media></tds:Capabilities>",
        )

    def _scopes(self) -> bytes:
        scope = f"onvif://www.onvif.org/name/{escape(self.name)}"
        return _said(
            "tds",
            "GetScopes",
            f"<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{scope}</tt:ScopeItem></tds:Scopes>",
        )

    def _information(self) -> bytes:
        return _said(
            "tds",
            "GetDeviceInformation",
            f"<tds:Manufacturer>{escape(self.manufacturer)}</tds:Manufacturer><tds:Model>{escape(self.name)}"
            f"</tds:Model><tds:FirmwareVersion>1</tds:FirmwareVersion><tds:SerialNumber>{self.reference[-12:]}"
            "</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>",
        )

    def _interfaces(self) -> bytes:
        return _said(
            "tds",
            "GetNetworkInterfaces",
            '<tds:NetworkInterfaces token="eth0"><tt:Enabled>true</tt:Enabled><tt:Info><tt:Name>eth0</tt:Name>'
            f"<tt:HwAddress>{self.mac}</tt:HwAddress><tt:MTU>1500</tt:MTU></tt:Info></tds:NetworkInterfaces>",
        )

    def _profiles(self) -> bytes:
        return _said(
            "trt",
            "GetProfiles",
            "".join(
                f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{escape(name)}</tt:Name>'
                f'<tt:VideoSourceConfiguration token="vsc{token}"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
                f"<tt:SourceToken>{self.source_of(token)}</tt:SourceToken>"
                '<tt:Bounds x="0" y="0" width="640" height="360"/></tt:VideoSourceConfiguration>'
                f'<tt:VideoEncoderConfiguration token="vec{token}"><tt:Name>e</tt:Name><tt:UseCount>1</tt:UseCount>'
                "<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width><tt:Height>360</tt:Height>"
                "</tt:Resolution><tt:Quality>5</tt:Quality></tt:VideoEncoderConfiguration></trt:Profiles>"
                for token, name, _ in self.profiles
            ),
        )

    def source_of(self, token: str) -> str:
        """The video source that a profile shows."""
        return "source"

    def _stream_of(self, body: bytes) -> str:
        wanted = re.search(rb"ProfileToken>([^<]*)<", body)
        token = wanted.group(1).decode() if wanted else ""
        return next((uri for name, _, uri in self.profiles if name == token), "")

    def _uri(self, operation: str, uri: str) -> bytes:
        inner = (
            f"<trt:MediaUri><tt:Uri>{escape(uri)}</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
            "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout></trt:MediaUri>"
        )
        return _said("trt", operation, inner)

    # --- WS-Discovery ----------------------------------------------------------------------------------------------

    def _match(self) -> str:
        return (
            f"<a:EndpointReference><a:Address>{self.reference}</a:Address></a:EndpointReference>"
            "<d:Types>dn:NetworkVideoTransmitter</d:Types>"
            f"<d:Scopes>onvif://www.onvif.org/name/{escape(self.name)}</d:Scopes><d:XAddrs>{escape(self.xaddr)}"
            "</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
        )

    def hello(self) -> bytes:
        return discovery_message("Hello", f"<d:Hello>{self._match()}</d:Hello>")

    def bye(self) -> bytes:
        reference = f"<a:EndpointReference><a:Address>{self.reference}</a:Address></a:EndpointReference>"
        return discovery_message("Bye", f"<d:Bye>{reference}</d:Bye>")

    def probe_matches(self, relates_to: str) -> bytes:
        body = f"<d:ProbeMatches><d:ProbeMatch>{self._match()}</d:ProbeMatch></d:ProbeMatches>"
        return discovery_message("ProbeMatches", body, relates_to)


def discovery_message(action: str, body: str, relates_to: str = "") -> bytes:
    related = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    to = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
    if not relates_to:
        to = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
    return (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
        ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header>'
        f"<a:MessageID>{uuid.uuid4().urn}</a:MessageID>{related}<a:To>{to}</a:To>"
        f"<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/{action}</a:Action>"
        f'<d:AppSequence InstanceId="{int(time.time())}" MessageNumber="1"/></s:Header><s:Body>{body}</s:Body>'
        "</s:Envelope>"
    ).encode()


# --- serving --------------------------------------------------------------------------------------------------------


async def read_request(reader: asyncio.StreamReader, peer: str) -> Request | None:
    """One request, or None when the other side has gone or says too much."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    pairs = (line.partition(":") for line in lines[1:] if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = min(int(headers.get("content-length", "0") or 0), MAX_REQUEST)
    try:
        body = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(method, rest.rpartition(" ")[0], headers, body, peer, head + body)


def written(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {len(answer.body)}", "Connection: close"]
    lines += [f"Content-Type: {answer.content_type}"] if answer.body else []
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + answer.body


async def serve_http(device: Device, *, quiet: bool = False) -> asyncio.Server:
    """Listen for the device's requests.

    :param quiet: say nothing of requests without a login.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                request = await read_request(reader, writer.get_extra_info("peername")[0])
                if request is None:
                    return
                request.tell_login()
                if not quiet:
                    tell("asked", method=request.method, target=request.target, operation=request.operation)
                writer.write(written(await device.answer_later(request)))
                await writer.drain()
        except (TimeoutError, OSError):
            pass  # whoever it was has gone
        finally:
            writer.close()

    return await asyncio.start_server(handle, device.address, device.port, limit=MAX_REQUEST, backlog=512)


async def serve_rtsp(device: Device, *, port: int = 554) -> asyncio.Server:
    """Listen for RTSP requests; every stream wants a login, and none is good enough."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while request := await read_request(reader, writer.get_extra_info("peername")[0]):
                    request.tell_login()
                    lines = ["RTSP/1.0 200 OK", f"CSeq: {request.headers.get('cseq', '1')}"]
                    if request.method == "OPTIONS":
                        lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
                    else:
                        lines[0] = "RTSP/1.0 401 Unauthorized"
                        lines += [f"WWW-Authenticate: {one}" for one in device.rtsp_challenges(request)]
                    writer.write("\r\n".join((*lines, "", "")).encode("latin-1"))
                    await writer.drain()
        except (TimeoutError, OSError):
            pass  # whoever it was has gone
        finally:
            writer.close()

    return await asyncio.start_server(handle, device.address, port, limit=MAX_REQUEST, backlog=512)


def speaker(address: str, interface: str = "") -> socket.socket:
    """A socket that speaks to the group from ``address``, over ``interface``, or over the one that has the address."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((address, 0))
    index = socket.if_nametoindex(interface) if interface else 0
    way = struct.pack("=4s4si", bytes(4), socket.inet_aton(address), index)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, way)
    return sender


class _Ear(asyncio.DatagramProtocol):
    """Answers each Probe for every device."""

    def __init__(self, devices: Sequence[Device], speakers: Mapping[str, socket.socket]) -> None:
        self._devices = devices
        self._speakers = speakers

    def datagram_received(self, data: bytes, addr: Any) -> None:
        found = _MESSAGE_ID.search(data)
        if b"discovery/Probe<" not in data or found is None:
            return
        for device in self._devices:
            try:
                self._speakers[device.address].sendto(device.probe_matches(found.group(1).decode()), addr)
            except OSError:
                continue  # its cable is out


async def serve(
    devices: Iterable[Device],
    *,
    hello_every: float = 0.0,
    answers_probes: bool = True,
    interface: str = "eth0",
    quiet: bool = False,
    rtsp: bool = False,
) -> None:
    """Serve them until the process is ended; prints ``ready`` first.

    :param hello_every: seconds between two Hellos of each; 0 for one at the start.
    :param interface: that hears the group; :param rtsp: whether they have streams, which nobody may see.
    """
    devices = list(devices)
    servers = [await serve_http(device, quiet=quiet) for device in devices]
    if rtsp:
        servers += [await serve_rtsp(device) for device in devices]
    speakers = {device.address: speaker(device.address) for device in devices}
    if answers_probes:
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ear.bind(GROUP)
        joined = struct.pack("=4s4si", socket.inet_aton(GROUP[0]), bytes(4), socket.if_nametoindex(interface))
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Ear(devices, speakers), sock=ear)
    tell("ready", servers=len(servers))
    while True:
        for device in devices:
            try:
                speakers[device.address].sendto(device.hello(), GROUP)
            except OSError:
                tell("cannot speak")
        await asyncio.sleep(hello_every or 86_400.0)
