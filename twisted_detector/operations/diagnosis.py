"""Diagnosis: from the state of one address and of this machine to the reason why it is not shown as a camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from twisted_detector.model import Adoption, Camera, Interface, Status
from twisted_detector.model.reach import BEYOND_LINK
from twisted_detector.registry.facts.explanation import explain_camera, remarks
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.observations import Observation

#: How observations begin that tell what an inspection came to.
NO_ANSWER, BUSY, UNREADABLE, LOGIN_WANTED, FAULT = "no answer", "busy", "unreadable answer", "login wanted", "failed"
NOT_A_CAMERA = "not a camera"
#: What can be done for one address, whatever is searched.
_BY_HAND = "Or have this one address checked: Check this address on the page, or the MQTT command probe."

#: How a connection ended.
OPEN, REFUSED, SILENT, UNREACHABLE = "open", "refused", "no answer", "unreachable"


@dataclass(frozen=True, slots=True)
class AddressState:
    """What is known of one address at this moment, with the settings that matter.

    :ivar interfaces: those of this machine.
    :ivar mac: MAC that answers ARP or NDP there now; None: none, or not asked behind a router.
    :ivar ports: how a connection to each port ended just now.
    :ivar rtsp_ports: those of them that are for RTSP.
    :ivar facts: what was observed there.
    :ivar cameras: those at this address; ``phase``: phase of the device there, None: there is none.
    :ivar inspected: whether that device was ever asked.
    :ivar scanned: networks named in SCAN_NETWORKS; ``left``: of these, those that another node searches; ``excluded``:
        those of SCAN_EXCLUDE.
    :ivar out_of_reach: why nothing there is asked, or "".
    :ivar logins: how many logins are configured.
    :ivar bridge: why this machine is taken for a container on a bridge, or "".
    :ivar moved_to: present address of the camera that was here, or "".
    """

    address: str
    interfaces: Sequence[Interface]
    mac: str | None = None
    ports: Mapping[int, str] = field(default_factory=dict)
    rtsp_ports: Sequence[int] = (554, 8554)
    facts: Sequence[Observation] = ()
    cameras: Sequence[Camera] = ()
    phase: Phase | None = None
    inspected: bool = False
    scanned: Sequence[str] = ("interfaces",)
    left: Sequence[str] = ()
    excluded: Sequence[str] = ()
    out_of_reach: str = ""
    logins: int = 0
    onvif_enabled: bool = True
    scan_enabled: bool = True
    bridge: str = ""
    moved_to: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Result of a diagnosis.

    :ivar code: for programs.
    :ivar text: what is the matter; ``advice``: what to do about it, or "".
    """

    code: str
    text: str
    advice: str = ""


def on_link(address: str, interfaces: Sequence[Interface]) -> Interface | None:
    """The interface in whose network an address is."""
    where = _bare(address)
    for one in interfaces:
        if where in one.network:
            return one
    return None


def diagnose(state: AddressState) -> Reason:
    """The likely reason; for a camera that is shown, its status."""
    return (
        _own_address(state)
        or _of_camera(state)
        or _of_exclusion(state)
        or _of_reach(state)
        or _of_nodes(state)
        or _of_network(state)
        or _of_answer(state)
        or _of_search(state)
        or _of_device(state)
    )


def help_for(state: AddressState, reason: Reason) -> list[dict[str, str]]:
    """What would help, for programs: each with its ``kind``, a text for a button, and the fields of the command."""
    where = _bare(state.address)
    if reason.code in ("not-on-any-network", "not-searched", "router-between", "speaks-elsewhere"):
        link = on_link(state.address, state.interfaces)
        network = _around(where) if link is None else str(link.network)
        return [] if _named_network(state) else [_help("add-network", f"Search {network}", network=network)]
    camera = next(iter(state.cameras), None)
    if reason.code in ("no-credential", "wrong-credential"):
        given = {"address": state.address} | ({"camera_id": camera.id} if camera is not None else {})
        helps = [_help("give-login", "Enter a login", **given)]
        if camera is not None and not camera.adopted.is_adopted:
            helps.append(_help("adopt", "Adopt it", camera_id=camera.id))
        return helps
    return []


def _help(kind: str, text: str, **fields: str) -> dict[str, str]:
    return {"kind": kind, "text": text, **fields}


def _own_address(state: AddressState) -> Reason | None:
    where = _bare(state.address)
    for one in state.interfaces:
        if _bare(one.address) == where and not one.loopback:
            return Reason("this-machine", f"It is this machine's own address, on {one.name}.")
    return None


def _of_camera(state: AddressState) -> Reason | None:
    if not state.cameras:
        if state.moved_to:
            return Reason("moved", f"The camera that stood here has moved to {state.moved_to}.")
        return None
    names = ", ".join(camera.id for camera in state.cameras)
    camera = next((one for one in state.cameras if one.status is Status.ONLINE), state.cameras[0])
    if camera.status is Status.ONLINE:
        return Reason("shown", f"It is shown: camera {names} is online here.", remarks(camera))
    if own_word := explain_camera(camera, names):
        return Reason(*own_word)
    if camera.status is Status.AUTH_REQUIRED:
        return _of_login(state, f"Camera {names} is shown, but needs a login: {camera.reason}.", camera)
    if camera.status is Status.STREAM_ERROR and not camera.streams:
        return Reason(
            camera.status.value,
            f"Camera {names} is shown, but none of its streams is known: {camera.reason}.",
            "Switch ONVIF on in its settings, if it has it: then it names its streams itself. Or give its stream's URL:"
            f" `camdetect stream {camera.id} --main rtsp://…`, or Stream addresses on its page.",
        )
    advice = {
        Status.OFFLINE: "Check that it has power and a link; camdetect keeps looking for it.",
        Status.BUSY: "Close other viewers, or raise the number of connections that it allows.",
        Status.STREAM_ERROR: "Try the stream in another player, and check the camera's stream settings.",
    }[camera.status]
    return Reason(camera.status.value, f"Camera {names} is shown as {camera.status.value}: {camera.reason}.", advice)


def _of_answer(state: AddressState) -> Reason | None:
    """It was asked, or is being asked: what it answered is the reason."""
    last = {_kind_of(fact): fact for fact in state.facts}
    newest = {fact.source: fact for fact in state.facts}
    other = next((fact for fact in newest.values() if _kind_of(fact) == NOT_A_CAMERA), None)
    if state.phase is Phase.FOREIGN and other is not None:
        what, _, signs = _detail(other).partition(": ")
        return Reason(
            "media-server",
            f"It is {what}; it is not published. The signs: {signs}.",
            "Add the cameras themselves. If it is a camera after all, have it checked by hand (Check this address on"
            " the page, or the MQTT command probe), or give it a heading [camera MAC] in CAMERA_CREDENTIALS_FILE.",
        )
    if state.phase is Phase.REFUSED or "login" in last:
        return _of_login(state, "It needs a login.")
    if state.phase is Phase.INSPECTING or (state.phase is Phase.CANDIDATE and not state.inspected):
        return Reason("being-asked", "It was seen and is being checked now; ask again in a few seconds.")
    if FAULT in last and state.phase is Phase.CANDIDATE:
        return Reason(
            "fault",
            "It was asked, but this program or a plugin failed.",
            "Please report it, with the traceback in the log. It is asked again when it is seen again.",
        )
    if state.phase is Phase.FOREIGN and UNREADABLE in last:
        return Reason(
            "unreadable",
            f"It was asked, and its answer could not be read: {_detail(last[UNREADABLE])}.",
            "It may be a camera that this program does not understand yet: please report it, with what stands here.",
        )
    fact = last.get(NO_ANSWER) or last.get(BUSY)
    if state.phase is Phase.CANDIDATE and fact is not None and (_opened(state) or not state.ports):
        return Reason(
            "no-answer",
            f"It was asked without success{_of_ports(state)}: {_detail(fact)}.",
            "It may be busy or still starting; it is asked again when it is seen again.",
        )
    if state.phase is Phase.FOREIGN and (_opened(state) or not state.ports):
        return Reason(
            "not-a-camera",
            f"It was asked and did not answer as a camera{_of_ports(state)}.",
            "If it is one: its ONVIF may be off, or its stream have a path that is not known; see what it answered.",
        )
    return None


def _of_ports(state: AddressState) -> str:
    return f" (open ports: {_list(_opened(state))})" if _opened(state) else ""


def _kind_of(fact: Observation) -> str:
    if fact.source == "login":
        return "login" if fact.text.startswith("refused") else ""
    begin = fact.text.partition(":")[0]
    return "login" if begin == LOGIN_WANTED else begin


def _detail(fact: Observation) -> str:
    return fact.text.partition(": ")[2].rstrip(".")


def _of_login(state: AddressState, text: str, camera: Camera | None = None) -> Reason:
    if not state.logins:
        return Reason("no-credential", f"{text} No login is configured.", "Set CAMERA_CREDENTIALS.")
    if camera is not None and camera.adopted is Adoption.NO:
        return Reason(
            "wrong-credential",
            f"{text} It is not adopted, and is given none of your logins.",
            f"If it is yours, adopt it: `camdetect adopt {camera.id}`, or Adopt on its page.",
        )
    return Reason(
        "wrong-credential",
        f"{text} None of the {state.logins} configured was accepted, or none may be tried now.",
        "Give the right user and password in CAMERA_CREDENTIALS; many cameras have ONVIF users of their own. After a"
        " refusal the same login is not tried again for a while, so that the camera does not lock.",
    )


def _of_exclusion(state: AddressState) -> Reason | None:
    where = _bare(state.address)
    for text in state.excluded:
        if where in ip_network(text, strict=False):
            return Reason(
                "excluded", f"It is in SCAN_EXCLUDE ({text}): nothing is sent there.", "Take it out of there."
            )
    return None


def _of_reach(state: AddressState) -> Reason | None:
    if state.out_of_reach:
        return Reason(
            "out-of-reach",
            f"Nothing there is asked: {state.out_of_reach}.",
            "Name it in SCAN_NETWORKS, if it is yours.",
        )
    return None


def _of_nodes(state: AddressState) -> Reason | None:
    where = _bare(state.address)
    network = next((text for text in state.left if where in ip_network(text)), "")
    if not network or state.phase is not None:
        return None
    return Reason(
        "other-node",
        f"It is in {network} (NODES_NETWORKS), which another node searches: this one knows nothing of it.",
        "Ask that node; camdetect status --fleet, and Sites on the page, show which it is.",
    )


def _of_network(state: AddressState) -> Reason | None:
    """No answer came from there: the network in between is the reason."""
    link = on_link(state.address, state.interfaces)
    answered = state.mac is not None or any(outcome in (OPEN, REFUSED) for outcome in state.ports.values())
    if link is None and _bare(state.address).version == 6:
        return None  # no port was tried
    if state.bridge and not answered:
        return Reason(
            "container-bridge",
            f"This is a container on a bridge network ({state.bridge}): multicast and ARP of your LAN do not reach it.",
            "Run the container with --network host (Docker Compose: network_mode: host).",
        )
    if link is None:
        return None if answered else _behind_router(state)
    if not answered:
        return Reason(
            "no-answer-to-arp",
            f"Nothing answers {'ARP' if link.version == 4 else 'neighbour solicitation'} at this address on"
            f" {link.name}: nothing is there, it is switched off, or it is in another VLAN.",
            "Check that it has power, a link and this address; a VLAN or Wi-Fi client isolation may be in the way.",
        )
    return None


def _behind_router(state: AddressState) -> Reason:
    where = _bare(state.address)
    named = _named_network(state)
    networks = ", ".join(sorted({str(one.network) for one in state.interfaces if not one.loopback})) or "none"
    heard = next((fact.text for fact in state.facts if fact.text.startswith(BEYOND_LINK)), "")
    if heard and not named:
        return Reason(
            "speaks-elsewhere",
            f"A camera says that it is here: {heard}.",
            f"Give it an address of the link's network ({networks}), or name its own in SCAN_NETWORKS and add a route.",
        )
    if not named:
        return Reason(
            "not-on-any-network",
            f"It is in none of this machine's networks ({networks}): a router is between, and multicast ends there.",
            f"Name its network in SCAN_NETWORKS ({_with_network(state, _around(where))}), or run camdetect there.",
        )
    return Reason(
        "router-between",
        f"It is behind a router ({named} is searched), and nothing came back from there.",
        "Check that the router or a firewall in between lets TCP 554, 80 and UDP 3702 through.",
    )


def _of_search(state: AddressState) -> Reason | None:
    """It may be there, and was never asked: nothing that is set to search does so there."""
    if state.phase is not None:
        return None
    where = _bare(state.address)
    link = on_link(state.address, state.interfaces)
    if where.version == 6:
        return Reason(
            "not-announced",
            "Networks of IPv6 are too large to be searched, and it did not announce itself"
            f"{'' if link else ': a router is between, and multicast ends there'}.",
            f"Switch WS-Discovery on in its settings. {_BY_HAND}",
        )
    if not (_opened(state) and state.scan_enabled) or _named_network(state):
        return None
    if link is not None and "interfaces" in state.scanned:
        return None
    network = _around(where) if link is None else str(link.network)
    return Reason(
        "not-on-any-network" if link is None else "not-searched",
        f"It answers (open ports: {_list(_opened(state))}), but its network is not searched:"
        f" add {network} to SCAN_NETWORKS.",
        f"Set {_with_network(state, network)} and restart. {_BY_HAND}",
    )


def _of_device(state: AddressState) -> Reason:
    """A device is there: its ports are the reason."""
    opened = _opened(state)
    if not opened:
        mac = f" ({state.mac})" if state.mac else ""
        return Reason(
            "ports-closed",
            f"A device answers here{mac}, but no camera port is open (tried: {_list(list(state.ports))}): RTSP and"
            " ONVIF are switched off, a firewall is in the way, or it is not a camera.",
            "Switch RTSP and ONVIF on in its settings; for other ports set RTSP_PORT, ONVIF_PORT or HTTP_PORT.",
        )
    rtsp = [port for port in opened if port in state.rtsp_ports]
    if rtsp and not state.scan_enabled:
        return Reason("scan-off", f"RTSP port {rtsp[0]} is open, but NETWORK_SCAN_ENABLED is off.", "Switch it on.")
    if not state.onvif_enabled and not rtsp:
        return Reason("onvif-disabled", "It has no RTSP port open, and ONVIF_ENABLED is off.", "Switch it on.")
    if rtsp:
        return Reason(
            "not-swept-yet",
            f"RTSP port {_list(rtsp)} is open, but it was not asked yet.",
            "It will be at the next sweep; `camdetect scan` begins one now.",
        )
    return Reason(
        "onvif-off",
        f"It has open ports ({_list(opened)}) but answers neither WS-Discovery nor RTSP: its ONVIF is off, it is hidden"
        " (NonDiscoverable), or it is not a camera.",
        "Switch ONVIF and RTSP on in its settings.",
    )


def _opened(state: AddressState) -> list[int]:
    return [port for port, outcome in state.ports.items() if outcome == OPEN]


def _named_network(state: AddressState) -> str:
    """The network of SCAN_NETWORKS that has the address, beside those of the interfaces; or ""."""
    where = _bare(state.address)
    named = (text for text in state.scanned if text != "interfaces")
    return next((text for text in named if where in ip_network(text, strict=False)), "")


def _with_network(state: AddressState, network: str) -> str:
    return f"SCAN_NETWORKS={','.join((*state.scanned, network))}"


def _list(ports: Sequence[int]) -> str:
    return ", ".join(str(port) for port in ports)


def _bare(address: str) -> IPv4Address | IPv6Address:
    return ip_address(address.partition("%")[0])


def _around(where: IPv4Address | IPv6Address) -> str:
    return str(ip_network((str(where), 24 if where.version == 4 else 64), strict=False))
