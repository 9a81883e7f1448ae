"""Each situation of an address gets its reason, and the reason says what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.load import load
from twisted_detector.model import Adoption, Announced, Camera, Interface, Status, Stream
from twisted_detector.model.announced import Condition
from twisted_detector.model.reasons import BEING_CHECKED, NOTHING_ELSE
from twisted_detector.operations.diagnosis import OPEN, REFUSED, SILENT, AddressState, diagnose
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.observations import Observation

ETH0 = Interface("eth0", 2, "10.0.0.9", 24)
HERE = "10.0.0.5"
CLOSED = {554: REFUSED, 80: REFUSED}
LIVING = AddressState(HERE, (ETH0,), mac="02:00:00:00:00:0a", ports=CLOSED)
STREAM = Stream("rtsp://10.0.0.5/a")
CAMERA = Camera("cam", "cam", HERE, status=Status.ONLINE, reason="why")

SAID = Announced(conditions=(Condition.NOT_ACTIVATED, Condition.MANAGED), managed_by="Dream Machine")
CLAIM = replace(CAMERA, status=Status.STREAM_ERROR, unconfirmed=True, reason=NOTHING_ELSE)


def fact(source: str, text: str) -> Observation:
    return Observation(0.0, 0.0, source, text)


CASES = {
    "shown": replace(LIVING, cameras=(CAMERA,)),
    "offline": replace(LIVING, mac=None, ports={}, cameras=(replace(CAMERA, status=Status.OFFLINE),)),
    "busy": replace(LIVING, cameras=(replace(CAMERA, status=Status.BUSY),)),
    "stream_error": replace(LIVING, cameras=(replace(CAMERA, status=Status.STREAM_ERROR, streams=(STREAM,)),)),
    "wrong-credential": replace(LIVING, cameras=(replace(CAMERA, status=Status.AUTH_REQUIRED),), logins=2),
    "no-credential": replace(LIVING, ports={554: OPEN}, facts=(fact("rtsp", "login wanted: 401"),)),
    "not-activated": replace(LIVING, cameras=(replace(CLAIM, announced=SAID, code="not-activated", reason="x: y"),)),
    "managed-by": replace(
        LIVING, cameras=(replace(CLAIM, announced=SAID, code="managed-by", unconfirmed=False, reason="404"),)
    ),
    "sleeps": replace(
        LIVING, mac=None, ports={}, cameras=(replace(CLAIM, status=Status.SLEEPS, code="sleeps", last_seen=60.0),)
    ),
    "unconfirmed": replace(LIVING, cameras=(CLAIM,)),
    "moved": replace(LIVING, mac=None, moved_to="10.0.0.77"),
    "this-machine": replace(LIVING, address="10.0.0.9"),
    "excluded": replace(LIVING, mac=None, ports={}, excluded=("10.0.0.0/28",)),
    "out-of-reach": AddressState("8.8.8.8", (ETH0,), out_of_reach="it is no private address: SCAN_NETWORKS"),
    "speaks-elsewhere": AddressState(
        "192.168.1.108", (ETH0,), facts=(fact("ssdp", "it speaks from 192.168.1.108, which is no network of eth0"),)
    ),
    "no-answer-to-arp": replace(LIVING, mac=None, ports={}),
    "container-bridge": replace(LIVING, mac=None, ports={}, bridge="/.dockerenv exists"),
    "not-on-any-network": AddressState("192.168.7.7", (ETH0,), ports={554: SILENT}),
    "router-between": AddressState(
        "192.168.7.7", (ETH0,), ports={554: SILENT}, scanned=("interfaces", "192.168.7.0/24")
    ),
    "other-node": AddressState(
        "192.168.7.7", (ETH0,), ports={554: SILENT}, scanned=("interfaces", "192.168.7.0/24"), left=("192.168.7.0/24",)
    ),
    "ports-closed": LIVING,
    "not-searched": replace(LIVING, ports={554: OPEN}, scanned=("10.7.0.0/24",)),
    "not-announced": AddressState("fd00:7::7", (ETH0,)),
    "not-a-camera": replace(LIVING, ports={80: OPEN}, phase=Phase.FOREIGN, inspected=True),
    "media-server": replace(
        LIVING,
        ports={554: REFUSED, 8554: OPEN},
        phase=Phase.FOREIGN,
        facts=(
            fact("onvif", "login wanted: 401"),
            fact(
                "rtsp",
                "not a camera: a media server (go2rtc) that passes on other cameras' streams: it calls itself so",
            ),
        ),
    ),
    "unreadable": replace(
        LIVING,
        ports={80: OPEN},
        phase=Phase.FOREIGN,
        facts=(fact("onvif", "unreadable answer: an answer is too long"),),
    ),
    "no-answer": replace(
        LIVING,
        ports={80: OPEN},
        phase=Phase.CANDIDATE,
        inspected=True,
        facts=(fact("onvif", "no answer: no answer within 8 seconds"),),
    ),
    "fault": replace(
        LIVING,
        ports={80: OPEN},
        phase=Phase.CANDIDATE,
        inspected=True,
        facts=(fact("onvif", "failed: a fault of this program"),),
    ),
    "onvif-off": replace(LIVING, ports={80: OPEN, 554: REFUSED}),
    "onvif-disabled": replace(LIVING, ports={80: OPEN, 554: REFUSED}, onvif_enabled=False),
    "not-swept-yet": replace(LIVING, ports={554: OPEN}),
    "scan-off": replace(LIVING, ports={554: OPEN}, scan_enabled=False),
    "being-asked": replace(LIVING, ports={554: OPEN}, phase=Phase.CANDIDATE),
}
#: What people read, word for word.
TEXTS = {
    "shown": (
        "It is shown: camera cam is online here.",
        "",
    ),
    "offline": (
        "Camera cam is shown as offline: why.",
        "Check that it has power and a link; camdetect keeps looking for it.",
    ),
    "busy": (
        "Camera cam is shown as busy: why.",
        "Close other viewers, or raise the number of connections that it allows.",
    ),
    "stream_error": (
        "Camera cam is shown as stream_error: why.",
        "Try the stream in another player, and check the camera's stream settings.",
    ),
    "wrong-credential": (
        "Camera cam is shown, but needs a login: why. It is not adopted, and is given none of your logins.",
        "If it is yours, adopt it: `camdetect adopt cam`, or Adopt on its page.",
    ),
    "no-credential": (
        "It needs a login. No login is configured.",
        "Set CAMERA_CREDENTIALS.",
    ),
    "not-activated": (
        "Camera cam has no stream that plays: it was never activated, and its streams are shut until it is.",
        "Set its password with its manufacturer's tool or on its web page, then enter that login here.",
    ),
    "managed-by": (
        "Camera cam has no stream that plays: 404.",
        "Switch RTSP on for this camera there, and add the address that it shows (UniFi: rtsps://console:7441/…).",
    ),
    "sleeps": (
        "Camera cam is asleep: it has a battery and sleeps: it is on the network now and then, and is not asked"
        " meanwhile. It was awake last at 1970-01-01T00:01:00.000Z.",
        "Nothing has to be done; while it sleeps, its manufacturer's app or its base station has its pictures.",
    ),
    "unconfirmed": (
        "Camera cam is shown by its own word alone: it says that it is a camera, but answers neither ONVIF nor RTSP:"
        " switch one of them on in its settings, or give the address of its stream.",
        "When that is done have it checked: Check now on its page, or the MQTT command check.",
    ),
    "moved": (
        "The camera that stood here has moved to 10.0.0.77.",
        "",
    ),
    "this-machine": (
        "It is this machine's own address, on eth0.",
        "",
    ),
    "excluded": (
        "It is in SCAN_EXCLUDE (10.0.0.0/28): nothing is sent there.",
        "Take it out of there.",
    ),
    "out-of-reach": (
        "Nothing there is asked: it is no private address: SCAN_NETWORKS.",
        "Name it in SCAN_NETWORKS, if it is yours.",
    ),
    "speaks-elsewhere": (
        "A camera says that it is here: it speaks from 192.168.1.108, which is no network of eth0.",
        "Give it an address of the link's network (10.0.0.0/24), or name its own in SCAN_NETWORKS and add a route.",
    ),
    "no-answer-to-arp": (
        "Nothing answers ARP at this address on eth0: nothing is there, it is switched off, or it is in another VLAN.",
        "Check that it has power, a link and this address; a VLAN or Wi-Fi client isolation may be in the way.",
    ),
    "container-bridge": (
        "This is a container on a bridge network (/.dockerenv exists): multicast and ARP of your LAN do not reach it.",
        "Run the container with --network host (Docker Compose: network_mode: host).",
    ),
    "not-on-any-network": (
        "It is in none of this machine's networks (10.0.0.0/24): a router is between, and multicast ends there.",
        "Name its network in SCAN_NETWORKS (SCAN_NETWORKS=interfaces,192.168.7.0/24), or run camdetect there.",
    ),
    "router-between": (
        "It is behind a router (192.168.7.0/24 is searched), and nothing came back from there.",
        "Check that the router or a firewall in between lets TCP 554, 80 and UDP 3702 through.",
    ),
    "other-node": (
        "It is in 192.168.7.0/24 (NODES_NETWORKS), which another node searches: this one knows nothing of it.",
        "Ask that node; camdetect status --fleet, and Sites on the page, show which it is.",
    ),
    "ports-closed": (
        "A device answers here (02:00:00:00:00:0a), but no camera port is open (tried: 554, 80): RTSP and"
        " ONVIF are switched off, a firewall is in the way, or it is not a camera.",
        "Switch RTSP and ONVIF on in its settings; for other ports set RTSP_PORT, ONVIF_PORT or HTTP_PORT.",
    ),
    "not-searched": (
        "It answers (open ports: 554), but its network is not searched: add 10.0.0.0/24 to SCAN_NETWORKS.",
        "Set SCAN_NETWORKS=10.7.0.0/24,10.0.0.0/24 and restart. Or have this one address checked: Check this address on"
        " the page, or the MQTT command probe.",
    ),
    "not-announced": (
        "Networks of IPv6 are too large to be searched, and it did not announce itself: a router is between, and"
        " multicast ends there.",
        "Switch WS-Discovery on in its settings. Or have this one address checked: Check this address"
        " on the page, or the MQTT command probe.",
    ),
    "not-a-camera": (
        "It was asked and did not answer as a camera (open ports: 80).",
        "If it is one: its ONVIF may be off, or its stream have a path that is not known; see what it answered.",
    ),
    "media-server": (
        "It is a media server (go2rtc) that passes on other cameras' streams; it is not published."
        " The signs: it calls itself so.",
        "Add the cameras themselves. If it is a camera after all, have it checked by hand (Check this address on"
        " the page, or the MQTT command probe), or give it a heading [camera MAC] in CAMERA_CREDENTIALS_FILE.",
    ),
    "unreadable": (
        "It was asked, and its answer could not be read: an answer is too long.",
        "It may be a camera that this program does not understand yet: please report it, with what stands here.",
    ),
    "no-answer": (
        "It was asked without success (open ports: 80): no answer within 8 seconds.",
        "It may be busy or still starting; it is asked again when it is seen again.",
    ),
    "fault": (
        "It was asked, but this program or a plugin failed.",
        "Please report it, with the traceback in the log. It is asked again when it is seen again.",
    ),
    "onvif-off": (
        "It has open ports (80) but answers neither WS-Discovery nor RTSP: its ONVIF is off, it is hidden"
        " (NonDiscoverable), or it is not a camera.",
        "Switch ONVIF and RTSP on in its settings.",
    ),
    "onvif-disabled": (
        "It has no RTSP port open, and ONVIF_ENABLED is off.",
        "Switch it on.",
    ),
    "not-swept-yet": (
        "RTSP port 554 is open, but it was not asked yet.",
        "It will be at the next sweep; `camdetect scan` begins one now.",
    ),
    "scan-off": (
        "RTSP port 554 is open, but NETWORK_SCAN_ENABLED is off.",
        "Switch it on.",
    ),
    "being-asked": (
        "It was seen and is being checked now; ask again in a few seconds.",
        "",
    ),
}
#: Situations in which there is nothing to be done.
FINE = {"shown", "this-machine", "moved", "being-asked"}


class Reasons(SynchronousTestCase):
    def test_each(self) -> None:
        """The word, a sentence, and an advice where something can be done."""
        for word, case in CASES.items():
            with self.subTest(word):
                reason = diagnose(case)
                self.assertEqual(word, reason.code, reason)
                self.assertEqual(TEXTS[word], (reason.text, reason.advice))
                self.assertTrue(reason.text.endswith("."), reason.text)
                self.assertEqual(word not in FINE, bool(reason.advice), reason)

    def test_ipv6(self) -> None:
        """An IPv6 address with a scope is judged as well."""
        link = Interface("eth0", 2, "fe80::9", 64)
        self.assertEqual("no-answer-to-arp", diagnose(AddressState("fe80::5%eth0", (link, ETH0))).code)
        self.assertIn("neighbour solicitation", diagnose(AddressState("fe80::5%eth0", (link, ETH0))).text)

    def test_behind_a_router_but_answering(self) -> None:
        """What answers behind a router, and is not searched for, is told so, with the setting to the letter.

        When it was asked all the same, or shows no port of a camera, the reason is what it answered.
        """
        state = AddressState("10.0.9.7", (ETH0,), ports={554: OPEN, 80: REFUSED}, scanned=("interfaces", "10.7.0.0/24"))
        reason = diagnose(state)
        self.assertEqual("not-on-any-network", reason.code)
        self.assertIn("its network is not searched: add 10.0.9.0/24 to SCAN_NETWORKS.", reason.text)
        self.assertIn("Set SCAN_NETWORKS=interfaces,10.7.0.0/24,10.0.9.0/24 and restart.", reason.advice)
        self.assertEqual("not-on-any-network", diagnose(replace(state, ports={80: OPEN})).code)
        for word, changes in (
            ("ports-closed", {"ports": {554: REFUSED}}),
            ("not-a-camera", {"phase": Phase.FOREIGN}),
            ("being-asked", {"phase": Phase.INSPECTING}),
            ("not-swept-yet", {"scanned": ("10.0.9.0/24",)}),
            ("scan-off", {"scan_enabled": False}),
        ):
            self.assertEqual(word, diagnose(replace(state, **changes)).code)  # type: ignore[arg-type]

    def test_settings_that_are_advised(self) -> None:
        """What is advised to be set is taken by the configuration; no network of IPv6 is, for it is too large."""
        for address, ports in (("192.168.7.7", {554: SILENT}), ("192.168.7.7", {554: OPEN}), ("fd00:7::7", {})):
            reason = diagnose(AddressState(address, (ETH0,), ports=ports))
            for text in re.findall(r"SCAN_NETWORKS=([^ )]+)", f"{reason.text} {reason.advice}"):
                networks = load({"SCAN_NETWORKS": text}, hostname="h").confirmed_networks
                self.assertIn(ip_network("192.168.7.0/24"), networks)
            self.assertEqual(":" in address, "SCAN_NETWORKS" not in reason.advice)

    def test_ipv6_that_was_asked(self) -> None:
        """At an IPv6 address no port is tried: none is called closed."""
        link = Interface("eth0", 2, "fd00::9", 64)
        state = AddressState("fd00::5", (link,), mac="02:00:00:00:00:0a", inspected=True)
        self.assertEqual("not-announced", diagnose(state).code)
        self.assertEqual("not-a-camera", diagnose(replace(state, phase=Phase.FOREIGN)).code)
        facts = (fact("rtsp", "busy: the device has no session left (503)"),)
        reason = diagnose(replace(state, phase=Phase.CANDIDATE, facts=facts))
        self.assertEqual(
            "It was asked without success: the device has no session left (503).", reason.text, "nothing of ports"
        )

    def test_not_adopted(self) -> None:
        """A camera that is not adopted was given no login: neither the logins nor the device are blamed."""
        camera = replace(CAMERA, status=Status.AUTH_REQUIRED)
        reason = diagnose(replace(LIVING, cameras=(camera,), logins=2))
        self.assertIn("is given none of your logins", reason.text)
        self.assertIn("camdetect adopt cam", reason.advice)
        reason = diagnose(replace(LIVING, cameras=(replace(camera, adopted=Adoption.PERSON),), logins=2))
        self.assertIn("None of the 2 configured was accepted, or none may be tried now.", reason.text)
        self.assertEqual(
            "Give the right user and password in CAMERA_CREDENTIALS; many cameras have ONVIF users of their own. After"
            " a refusal the same login is not tried again for a while, so that the camera does not lock.",
            reason.advice,
        )

    def test_remarks(self) -> None:
        """Of a camera that plays its owner is told what he should know all the same."""
        said = Announced(conditions=(Condition.NOT_ACTIVATED, Condition.OPEN, Condition.DEFAULT_STATE))
        reason = diagnose(replace(LIVING, cameras=(replace(CAMERA, announced=said),)))
        self.assertEqual("It is shown: camera cam is online here.", reason.text)
        self.assertEqual(
            "It says: no password is set: it lets anybody in; set one on its web page, then enter that login here."
            " It says: it is as it left the factory; set it up with its manufacturer's app or tool, and switch ONVIF"
            " or RTSP on there.",
            reason.advice,
        )

    def test_word_and_finding(self) -> None:
        """What an inspection found stands before the camera's word, and the advice is told once."""
        found = "it wants a login; by its own word it was never activated, and its streams are shut until it is"
        advice = "set its password with its manufacturer's tool or on its web page, then enter that login here"
        camera = replace(
            CLAIM, status=Status.AUTH_REQUIRED, unconfirmed=False, code="not-activated", reason=f"{found}: {advice}"
        )
        reason = diagnose(replace(LIVING, cameras=(camera,)))
        self.assertEqual(("not-activated", f"Camera cam needs a login: {found}."), (reason.code, reason.text))

    def test_being_checked(self) -> None:
        """While its first inspection is under way, it is to be asked again."""
        reason = diagnose(replace(LIVING, cameras=(replace(CLAIM, reason=BEING_CHECKED),)))
        self.assertEqual(("unconfirmed", "Ask again in a few seconds."), (reason.code, reason.advice))

    def test_no_stream_is_known(self) -> None:
        """A camera whose path nobody knows is no matter of another player."""
        camera = replace(CAMERA, status=Status.STREAM_ERROR)
        reason = diagnose(replace(LIVING, cameras=(camera,)))
        self.assertEqual("Camera cam is shown, but none of its streams is known: why.", reason.text)
        self.assertIn("Switch ONVIF on in its settings, if it has it", reason.advice)
        self.assertIn("`camdetect stream cam --main rtsp://…`", reason.advice)
