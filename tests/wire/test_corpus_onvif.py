"""Answers captured from real devices and servers are read as a right reader reads them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from tests.corpus import SKIP, Case, cases
from twisted_detector.errors import RemoteError
from twisted_detector.model import Mac
from twisted_detector.testing.simulator.wire.digest import parse_authorization, verify
from twisted_detector.wire.http import digest
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.soap.envelope import SoapFault, parse_response


def xml(case: Case) -> bytes:
    """The XML of a case; recordings of servers have the head of the HTTP answer before it."""
    data = case.data
    return data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP ") else data


def status_and_headers(case: Case) -> tuple[int, list[tuple[str, str]]]:
    head = case.data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    fields = [line.partition(":")[::2] for line in head[1:]]
    return int(head[0].split()[1]), [(name.strip().lower(), value.strip()) for name, value in fields]


class Onvif(SynchronousTestCase):
    skip = SKIP or None

    def each(self, *kinds: str):  # type: ignore[no-untyped-def]
        """Cases whose answer is neither a fault nor broken, with their body."""
        found = 0
        for case in cases(*kinds):
            if not case.expect.get("fault") and case.expect.get("well_formed", True):
                found += 1
                yield case, parse_response(xml(case))
        self.assertGreater(found, 0)

    def test_faults(self) -> None:
        """Faults have the codes and reasons that were sent, and those about the login are recognised."""
        found = 0
        for case in (case for case in cases(*{case.kind for case in _all()}) if case.expect.get("fault")):
            with self.assertRaises(SoapFault, msg=case.id) as caught:
                parse_response(xml(case))
            fault = caught.exception.fault
            self.assertEqual(list(fault.codes), case.expect["subcodes"], case.id)
            self.assertEqual(fault.reason, case.expect["reason"], case.id)
            self.assertEqual(fault.is_auth, "ter:NotAuthorized" in fault.codes, case.id)
            found += 1
        self.assertGreater(found, 5)

    def test_broken(self) -> None:
        """What is not well-formed gives an answer or a RemoteError."""
        for case in _all():
            if not case.expect.get("well_formed", True):
                try:
                    onvif.parse_capabilities(parse_response(xml(case)))
                except RemoteError:
                    continue

    def test_repaired(self) -> None:
        """A fault with a broken XML declaration and an undeclared prefix is still a fault."""
        [case] = cases("onvif.fault")
        with self.assertRaises(SoapFault) as caught:
            parse_response(xml(case))
        self.assertEqual(caught.exception.fault.reason, "fault reason")
        self.assertEqual(caught.exception.fault.subcode, "fault subcode")

    def test_device_information(self) -> None:
        """All five fields."""
        for case, body in self.each("onvif.GetDeviceInformation"):
            said = onvif.parse_device_information(body)
            self.assertEqual(
                {
                    "Manufacturer": said.manufacturer,
                    "Model": said.model,
                    "FirmwareVersion": said.firmware_version,
                    "SerialNumber": said.serial_number,
                    "HardwareId": said.hardware_id,
                },
                case.expect,
                case.id,
            )

    def test_capabilities(self) -> None:
        """Every category with its address."""
        for case, body in self.each("onvif.GetCapabilities"):
            self.assertEqual(onvif.parse_capabilities(body), case.expect["xaddrs"], case.id)

    def test_services(self) -> None:
        """Every namespace with its address."""
        for case, body in self.each("onvif.GetServices"):
            self.assertEqual(onvif.parse_services(body), case.expect["services"], case.id)

    def test_profiles(self) -> None:
        """Token, name, codec and size of every profile, Media1 and Media2."""
        for case, body in self.each("onvif.GetProfiles", "onvif.GetProfiles2"):
            said = [
                {
                    "token": profile.token,
                    "name": profile.name,
                    "encoding": profile.codec or None,
                    "width": str(profile.width) if profile.width else None,
                    "height": str(profile.height) if profile.height else None,
                }
                for profile in onvif.parse_profiles(body)
            ]
            self.assertEqual(said, case.expect["profiles"], case.id)

    def test_uris(self) -> None:
        """The address as it was said, or none."""
        for case, body in self.each("onvif.GetStreamUri", "onvif.GetStreamUri2", "onvif.GetSnapshotUri"):
            self.assertEqual(onvif.parse_uri(body) or None, case.expect["uri"], case.id)

    def test_scopes(self) -> None:
        """All scopes in order."""
        for case, body in self.each("onvif.GetScopes"):
            self.assertEqual(list(onvif.parse_scopes(body)), case.expect["scopes"], case.id)

    def test_hostname(self) -> None:
        """The name, or none."""
        for case, body in self.each("onvif.GetHostname"):
            self.assertEqual(onvif.parse_hostname(body) or None, case.expect["name"], case.id)

    def test_network_interfaces(self) -> None:
        """Tokens and hardware addresses."""
        for case, body in self.each("onvif.GetNetworkInterfaces"):
            interfaces = onvif.parse_network_interfaces(body)
            self.assertEqual([item.token for item in interfaces], case.expect["tokens"], case.id)
            self.assertEqual(
                [Mac.parse(item.hardware_address).text for item in interfaces], case.expect["macs"], case.id
            )

    def test_clock(self) -> None:
        """UTC to the second."""
        for case, body in self.each("onvif.GetSystemDateAndTime"):
            expected = datetime(*map(int, case.expect["utc"]), tzinfo=UTC).timestamp()
            self.assertEqual(onvif.parse_system_date_and_time(body).seconds, expected, case.id)

    def test_challenge_beside_a_fault(self) -> None:
        """A 401 with a SOAP fault offers HTTP Digest all the same; a 400 offers nothing."""
        for case in _all():
            if case.id.startswith("live.onvif.") and case.expect.get("fault"):
                status, headers = status_and_headers(case)
                challenges = digest.parse_challenges(value for name, value in headers if name == "www-authenticate")
                self.assertEqual(
                    [challenge.scheme for challenge in challenges],
                    ["digest"] * (status == 401),
                    case.id,
                )


class Headers(SynchronousTestCase):
    skip = SKIP or None

    def assert_challenge(self, challenge: digest.Challenge, expected: dict[str, object]) -> None:
        self.assertEqual({name: getattr(challenge, name) for name in expected}, expected)

    def test_www_authenticate(self) -> None:
        """Quoted flags, parentheses and unquoted words are read."""
        found = cases("rtsp.www-authenticate")
        for case in found:
            [challenge] = digest.parse_challenges([case.data.decode().strip()])
            self.assert_challenge(challenge, case.expect)
        self.assertTrue(found)

    def test_folded(self) -> None:
        """A folded header with a trailing comma is one challenge."""
        for case in cases("rtsp.401"):
            value = case.data.decode().partition("WWW-Authenticate:")[2]
            challenges = digest.parse_challenges([value.replace("\r\n", "\n").partition("\n\n")[0]])
            self.assertEqual(len(challenges), len(case.expect["challenges"]))
            for challenge, expected in zip(challenges, case.expect["challenges"], strict=True):
                self.assert_challenge(challenge, expected)

    def test_vectors(self) -> None:
        """Our answers are those of the reference clients, and a server of ours accepts each client's."""
        for case in cases("auth.vectors"):
            data = json.loads(case.data)
            theirs = {vector["name"]: vector["authorization"] for vector in data["vectors"]}
            for name in case.expect["our_client_should_equal_one_of"]:
                given_back = parse_authorization(theirs[name])[1]
                challenge = digest.Challenge("digest", data["realm"], data["nonce"], given_back.get("algorithm", ""))
                ours = digest.authorization(
                    challenge, data["user"], data["password"], data["method"], data["url"], cnonce="c"
                )
                self.assertEqual(parse_authorization(ours)[1], given_back, name)
            for name, header in theirs.items():
                self.assertTrue(verify(header, data["method"], {data["user"]: data["password"]}.get), name)
                self.assertFalse(verify(header, data["method"], {data["user"]: "other"}.get), name)


def _all() -> list[Case]:
    return cases(*(f"onvif.{name}" for name in _KINDS))


_KINDS = (
    "GetCapabilities",
    "GetDeviceInformation",
    "GetHostname",
    "GetNetworkInterfaces",
    "GetProfiles",
    "GetProfiles2",
    "GetScopes",
    "GetServices",
    "GetSnapshotUri",
    "GetStreamUri",
    "GetStreamUri2",
    "GetSystemDateAndTime",
    "fault",
)
