"""Tests of ``wire.vendors.tplink``: Kasa's search, and the one of Tapo and VIGI."""

from __future__ import annotations

from dataclasses import replace

from tests.wire.vendors import golden
from twisted_detector.errors import Malformed
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced, Condition, DeviceKind
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.testing.simulator.vendors.tplink import TplinkDevice, TplinkKasaDevice
from twisted_detector.wire.vendors.protocol import Answer, Query
from twisted_detector.wire.vendors.tplink import Tplink, TplinkKasa

MAC = Mac("98:25:4a:01:02:03")
UID = "802100A1B2C3D4E5F60718293A4B5C6D1F2E3D4C"
BODY = (
    b'{"result":{"device_id":"802100A1B2C3D4E5F60718293A4B5C6D1F2E3D4C","owner":"5E1F0A2B3C4D5E6F708192A3B4C5D6E7",'
    b'"device_type":"SMART.IPCAMERA","device_model":"C210(EU)","ip":"10.0.0.70","mac":"98-25-4A-01-02-03",'
    b'"mgt_encrypt_schm":{"is_support_https":true,"encrypt_type":"AES","http_port":443,"lv":2},'
    b'"hw_ver":"2.0","firmware_version":"1.3.11","factory_default":false},"error_code":0}'
)
GOLDEN = bytes((2, 0, 0, 1, len(BODY) // 256, len(BODY) % 256, 17, 0)) + b"\0\0\0\x01" + b"\x12\x34\x56\x78" + BODY
ANSWER = Answer(
    Announced(manufacturer="TP-Link", model="C210(EU)", firmware_version="1.3.11", kind=DeviceKind.CAMERA),
    mac=MAC,
    vendor_id=UID,
    address="10.0.0.70",
    https_port=443,
)


def scrambled(plain: bytes) -> bytes:
    """The autokey cipher: each octet is XORed with the octet before it as it is sent, the first with 171."""
    sent = [171]
    for octet in plain:
        sent.append(octet ^ sent[-1])
    return bytes(sent[1:])


KASA_PLAIN = (
    b'{"system":{"get_sysinfo":{"err_code":0,"system":{"sw_ver":"2.3.22 Build 20201215","hw_ver":"1.0",'
    b'"model":"KC120(US)","deviceId":"802100A1B2C3D4E5F60718293A4B5C6D1F2E3D4C","type":"IOT.IPCAMERA",'
    b'"alias":"Cradle","mic_mac":"98254A010203","last_activity_timestamp":1600000000}}}}'
)
KASA_GOLDEN = scrambled(KASA_PLAIN)
KASA_ANSWER = Answer(
    Announced("TP-Link", "KC120(US)", "Cradle", firmware_version="2.3.22 Build 20201215", kind=DeviceKind.CAMERA),
    mac=MAC,
    vendor_id=UID,
)


class Answers(golden.Golden):
    """What a Tapo camera answers."""

    protocol, golden, answer, device = Tplink(), GOLDEN, ANSWER, TplinkDevice()
    facts = DeviceFacts(
        "10.0.0.9", MAC, model="D230(EU)", uid=UID, firmware_version="1.0", kind=DeviceKind.DOORBELL, activated=False
    )
    heard = Answer(
        Announced(
            "TP-Link",
            "D230(EU)",
            firmware_version="1.0",
            kind=DeviceKind.DOORBELL,
            conditions=(Condition.DEFAULT_STATE,),
        ),
        mac=MAC,
        vendor_id=UID,
        address="10.0.0.9",
        http_port=80,
    )

    def test_searches(self) -> None:
        """The constant, to both ports."""
        search = bytes.fromhex("02000001 00000000 00000000 463cb5d3")
        queries = self.protocol.queries(golden.random, golden.OWN_ADDRESS)
        self.assertEqual(queries, (Query(search, 20002), Query(search, 20004)))

    def test_searches_of_others(self) -> None:
        """One with a key is none's answer."""
        body = b'{"params":{"rsa_key":"-----BEGIN PUBLIC KEY-----\\nAA\\n-----END PUBLIC KEY-----\\n"}}'
        self.assertIsNone(self.protocol.parse(GOLDEN[:16] + body))

    def test_who_is_a_camera(self) -> None:
        """Cameras and doorbells; plugs, lamps, hubs, and who does not say, are something else."""
        for said, kind in (
            (b"SMART.IPCAMERA", DeviceKind.CAMERA),
            (b"smart.ipcamera.v2", DeviceKind.CAMERA),
            (b"SMART.TAPODOORBELL", DeviceKind.DOORBELL),
            (b"IOT.IPCAMERA", DeviceKind.CAMERA),
            (b"SMART.TAPOPLUG", DeviceKind.OTHER),
            (b"SMART.KASAHUB", DeviceKind.OTHER),
            (b"", DeviceKind.OTHER),
        ):
            found = self.protocol.parse(GOLDEN.replace(b"SMART.IPCAMERA", said))
            self.assertEqual(found and found.announced.kind, kind)

    def test_owner(self) -> None:
        """The hash of the owner's account is nowhere."""
        self.assertNotIn("5E1F0A2B", repr(self.protocol.parse(GOLDEN)))

    def test_default_state(self) -> None:
        """Only when it says so, in so many words."""
        for said, conditions in ((b"true", (Condition.DEFAULT_STATE,)), (b'"no"', ()), (b"1", ()), (b"null", ())):
            found = self.protocol.parse(GOLDEN.replace(b'default":false', b'default":' + said))
            self.assertEqual(found and found.announced.conditions, conditions)

    def test_odd_answers(self) -> None:
        """A wrong length and check sum; HTTP; fields of another kind, each of which costs itself alone."""
        self.assertEqual(self.protocol.parse(b"\x02\0" + bytes(14) + BODY), ANSWER)
        found = self.protocol.parse(GOLDEN.replace(b'https":true', b'https":false').replace(b":443", b":8080"))
        self.assertEqual(found, replace(ANSWER, https_port=0, http_port=8080))
        found = self.protocol.parse(
            GOLDEN.replace(b'{"is_support_https":true,"encrypt_type":"AES","http_port":443,"lv":2}', b"7")
            .replace(b'"98-25-4A-01-02-03"', b'["98-25-4A-01-02-03"]')
            .replace(b'"10.0.0.70"', b'"fe80::1"')
        )
        self.assertEqual(found, replace(ANSWER, https_port=0, mac=None, address=""))
        self.assertRaises(Malformed, self.protocol.parse, GOLDEN[:16] + b'{"error_code":-1}')

    def test_simulated_checks_the_sum(self) -> None:
        """As real ones do; with a body too."""
        body = b'{"params":{"rsa_key":"x"}}'
        header = bytes((2, 0, 0, 1, 0, len(body), 17, 0, 0, 0, 0, 5))
        self.assertIsNone(self.device.answer(Request(header + bytes(4) + body, 20002), self.facts))


class KasaAnswers(golden.Golden):
    """What a Kasa camera answers."""

    protocol, golden, answer, device = TplinkKasa(), KASA_GOLDEN, KASA_ANSWER, TplinkKasaDevice()
    facts = DeviceFacts("10.0.0.9", MAC, model="KC105(EU)", uid=UID, firmware_version="2.2", name="Cot")
    heard = Answer(
        Announced("TP-Link", "KC105(EU)", "Cot", firmware_version="2.2", kind=DeviceKind.CAMERA), mac=MAC, vendor_id=UID
    )

    def test_search(self) -> None:
        """``get_sysinfo``, and no length before it."""
        (query,) = self.protocol.queries(golden.random, golden.OWN_ADDRESS)
        self.assertEqual(query, Query(scrambled(b'{"system":{"get_sysinfo":{}}}'), 9999))
        self.assertEqual(query.data[:5].hex(), "d0f281f88b")

    def test_plugs(self) -> None:
        """They answer too, one level higher, and are no cameras."""
        plain = (
            b'{"system":{"get_sysinfo":{"mac":"98:25:4A:01:02:03","type":"IOT.SMARTPLUGSWITCH","model":"HS110(EU)"}}}'
        )
        found = self.protocol.parse(scrambled(plain))
        self.assertEqual(found, Answer(Announced("TP-Link", "HS110(EU)", kind=DeviceKind.OTHER), mac=MAC))

    def test_odd_answers(self) -> None:
        """A length before it, as over TCP; blanks in it."""
        self.assertEqual(self.protocol.parse(b"\0\0\x01\x20" + KASA_GOLDEN), KASA_ANSWER)
        for blank in (b" ", b"\n", b"\r\n"):
            self.assertEqual(self.protocol.parse(scrambled(KASA_PLAIN.replace(b"{", b"{" + blank))), KASA_ANSWER)
        self.assertEqual(self.protocol.parse(scrambled(KASA_PLAIN.replace(b'"type"', b'"mic_type"'))), KASA_ANSWER)
        self.assertEqual(self.protocol.parse(KASA_GOLDEN + bytes(60_000)), KASA_ANSWER)
        for plain in (b'{"system":{}}', b'{"a":1}', b'{"system":7}'):
            self.assertRaises(Malformed, self.protocol.parse, scrambled(plain))

    def test_hostile(self) -> None:
        """Too long, too deep."""
        for inner in (b'"' + b"x" * 20_000 + b'"', b"[" * 300 + b"]" * 300):
            data = scrambled(KASA_PLAIN.replace(b"1600000000", inner))
            self.assertRaises(Malformed, self.protocol.parse, data)
