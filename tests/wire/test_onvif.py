"""ONVIF requests, answers as our server side writes them, and answers as devices write them."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.testing.simulator.wire.soap import parse_request
from twisted_detector.wire.onvif import answers as onvif, requests
from twisted_detector.wire.soap.envelope import SoapFault, envelope, parse_response
from twisted_detector.wire.soap.xml import MAX_TEXT, text_at

NOW = 1_700_000_000.0
MAIN = onvif.Profile("Profile & 1", "main <1>", "VS1", "H264", 2560, 1440, 25.0, "PCMU", True)
SUB = onvif.Profile("Profile 2", "sub", "VS1", "H265", 640, 360, 12.5, "", False)


def body(xml: str):  # type: ignore[no-untyped-def]
    return parse_response(envelope(xml))


class Requests(SynchronousTestCase):
    def test_read_by_a_server(self) -> None:
        """Each request is one operation in the namespace of its service."""
        for sent, operation, namespace in (
            (requests.get_system_date_and_time(), "GetSystemDateAndTime", onvif.NS_DEVICE),
            (requests.get_services(), "GetServices", onvif.NS_DEVICE),
            (requests.get_capabilities(), "GetCapabilities", onvif.NS_DEVICE),
            (requests.get_device_information(), "GetDeviceInformation", onvif.NS_DEVICE),
            (requests.get_scopes(), "GetScopes", onvif.NS_DEVICE),
            (requests.get_hostname(), "GetHostname", onvif.NS_DEVICE),
            (requests.get_endpoint_reference(), "GetEndpointReference", onvif.NS_DEVICE),
            (requests.get_network_interfaces(), "GetNetworkInterfaces", onvif.NS_DEVICE),
            (requests.get_profiles(), "GetProfiles", onvif.NS_MEDIA),
            (requests.get_profiles2(), "GetProfiles", onvif.NS_MEDIA2),
            (requests.get_stream_uri("t"), "GetStreamUri", onvif.NS_MEDIA),
            (requests.get_stream_uri2("t"), "GetStreamUri", onvif.NS_MEDIA2),
            (requests.get_snapshot_uri("t"), "GetSnapshotUri", onvif.NS_MEDIA),
            (requests.get_snapshot_uri2("t"), "GetSnapshotUri", onvif.NS_MEDIA2),
        ):
            request = parse_request(envelope(sent.body))
            self.assertEqual((request.operation, request.namespace), (operation, namespace))
            self.assertEqual((sent.operation, sent.namespace), (operation, namespace))

    def test_tokens_are_escaped(self) -> None:
        """A token with characters of XML goes back to the device as it came."""
        token = "a<b>&\"c'"
        for sent in (
            requests.get_stream_uri(token),
            requests.get_stream_uri2(token),
            requests.get_snapshot_uri(token),
            requests.get_snapshot_uri2(token),
        ):
            self.assertEqual(text_at(parse_request(envelope(sent.body)).element, "ProfileToken"), token)

    def test_action(self) -> None:
        """The action is namespace and operation."""
        self.assertEqual(requests.OnvifRequest("urn:x", "Get", "").action, "urn:x/Get")


class RoundTrips(SynchronousTestCase):
    """What the server's side writes, the client's side reads."""

    def test_device_information(self) -> None:
        """All five fields survive, characters of XML included."""
        information = onvif.DeviceInformation("A & B", "<M>", "1.0", "S/1", "H")
        self.assertEqual(
            onvif.parse_device_information(parse_response(onvif_answers.device_information(information))), information
        )

    def test_services(self) -> None:
        """Services survive; capabilities have no word for Media2."""
        xaddrs = {
            onvif.NS_DEVICE: "http://h/d",
            onvif.NS_MEDIA: "http://h/m?a&b",
            onvif.NS_MEDIA2: "http://h/m2",
            onvif.NS_DEVICE_IO: "http://h/io",
        }
        self.assertEqual(onvif.parse_services(parse_response(onvif_answers.services(xaddrs))), xaddrs)
        categories = onvif.parse_capabilities(parse_response(onvif_answers.capabilities(xaddrs)))
        self.assertEqual(categories, {"Device": "http://h/d", "Media": "http://h/m?a&b", "DeviceIO": "http://h/io"})
        del xaddrs[onvif.NS_MEDIA2]
        self.assertEqual(onvif.services_of(categories), xaddrs)

    def test_profiles(self) -> None:
        """Media2 carries everything; Media1 loses H.265, as with real devices."""
        self.assertEqual(onvif.parse_profiles(parse_response(onvif_answers.profiles2([MAIN, SUB]))), (MAIN, SUB))
        first, second = onvif.parse_profiles(parse_response(onvif_answers.profiles([MAIN, SUB])))
        self.assertEqual(first, MAIN)
        self.assertEqual(second, onvif.Profile("Profile 2", "sub", "VS1"))

    def test_profiles_without_configurations(self) -> None:
        """Media2 without a Type gives names and tokens only."""
        [profile] = onvif.parse_profiles(parse_response(onvif_answers.profiles2([MAIN], configurations=False)))
        self.assertEqual(profile, onvif.Profile("Profile & 1", "main <1>"))

    def test_uris(self) -> None:
        """An address with '&' survives in all four answers."""
        uri = "rtsp://192.0.2.1:554/cam/realmonitor?channel=1&subtype=0"
        for answer in (
            onvif_answers.stream_uri,
            onvif_answers.stream_uri2,
            onvif_answers.snapshot_uri,
            onvif_answers.snapshot_uri2,
        ):
            self.assertEqual(onvif.parse_uri(parse_response(answer(uri))), uri)

    def test_identity(self) -> None:
        """Scopes, host name, EndpointReference and interfaces survive."""
        scopes = ("onvif://www.onvif.org/name/A%20B", "onvif://www.onvif.org/type/ptz")
        self.assertEqual(onvif.parse_scopes(parse_response(onvif_answers.scopes(scopes))), scopes)
        self.assertEqual(onvif.parse_hostname(parse_response(onvif_answers.hostname("cam-1"))), "cam-1")
        self.assertEqual(onvif.parse_hostname(parse_response(onvif_answers.hostname(""))), "")
        guid = "urn:uuid:4D454930-0000-1000-8000-0011AABBCCDD"
        self.assertEqual(
            onvif.parse_endpoint_reference(parse_response(onvif_answers.endpoint_reference(guid))),
            "4d454930-0000-1000-8000-0011aabbccdd",
        )
        interfaces = (
            onvif.NetworkInterface("eth0", "00:11:22:33:44:55", "eth0", True),
            onvif.NetworkInterface("wlan0", "00-11-22-33-44-66", "wifi", False),
        )
        self.assertEqual(
            onvif.parse_network_interfaces(parse_response(onvif_answers.network_interfaces(interfaces))), interfaces
        )

    def test_faults(self) -> None:
        """The two short faults are read as what they mean."""
        for data, code, is_auth in (
            (onvif_answers.not_authorized(), "NotAuthorized", True),
            (onvif_answers.action_not_supported(), "ActionNotSupported", False),
        ):
            with self.assertRaises(SoapFault) as caught:
                parse_response(data)
            self.assertEqual((caught.exception.fault.subcode, caught.exception.fault.is_auth), (code, is_auth))


class Clock(SynchronousTestCase):
    def seconds(self, data: bytes) -> float | None:
        return onvif.parse_system_date_and_time(parse_response(data)).seconds

    def test_utc(self) -> None:
        """UTC counts, whatever the local time."""
        self.assertEqual(self.seconds(onvif_answers.system_date_and_time(NOW, zone="CST-8", local=NOW + 8 * 3600)), NOW)

    def test_local(self) -> None:
        """Without UTC, local time and zone give it: POSIX counts west of Greenwich as positive."""
        for zone, local, daylight_saving in (
            ("CST-8", NOW + 8 * 3600, False),
            ("EST5EDT,M3.2.0,M11.1.0", NOW - 5 * 3600, False),
            ("EST5EDT,M3.2.0,M11.1.0", NOW - 4 * 3600, True),
            ("<+0530>-5:30", NOW + 5.5 * 3600, False),
            ("GMT+0", NOW, False),
        ):
            answer = onvif_answers.system_date_and_time(
                NOW, zone=zone, local=local, daylight_saving=daylight_saving, utc=False
            )
            self.assertEqual(self.seconds(answer), NOW, zone)

    def test_none(self) -> None:
        """Without UTC and zone, or with an impossible date, there is no time."""
        self.assertIsNone(self.seconds(onvif_answers.system_date_and_time(NOW, zone="Mars", local=NOW, utc=False)))
        for date in ("<Year>2024</Year><Month>13</Month><Day>1</Day>", "<Year>x</Year>", "", "<Year>99999</Year>"):
            said = f"<SystemDateAndTime><UTCDateTime><Date>{date}</Date></UTCDateTime></SystemDateAndTime>"
            self.assertIsNone(onvif.parse_system_date_and_time(body(said)).seconds)

    def test_leap_second(self) -> None:
        """Second 60 is second 59."""
        xml = onvif_answers.system_date_and_time(NOW).replace(
            b"<tt:Second>20</tt:Second>", b"<tt:Second>60</tt:Second>"
        )
        self.assertEqual(self.seconds(xml), NOW + 39)


class Odd(SynchronousTestCase):
    """What devices do."""

    def test_wrong_wrapper(self) -> None:
        """An answer is read whatever its outermost elements are called, and without them."""
        information = onvif.DeviceInformation("A", "M", "1.0", "S", "H")
        clock, info = onvif_answers.system_date_and_time(NOW), onvif_answers.device_information(information)
        for new in (b"x", b"tds:GetDeviceInformation", b"tds:Result"):
            said = parse_response(info.replace(b"tds:GetDeviceInformationResponse", new))
            self.assertEqual(onvif.parse_device_information(said), information)
            said = parse_response(clock.replace(b"tds:SystemDateAndTime", new))
            self.assertEqual(onvif.parse_system_date_and_time(said).utc, NOW)

    def test_empty_first(self) -> None:
        """Of several addresses in one answer the first that says something counts."""
        said = onvif_answers.stream_uri("rtsp://h/1").replace(b"<tt:Uri>", b"<tt:Uri/><tt:Uri> </tt:Uri><tt:Uri>")
        self.assertEqual(onvif.parse_uri(parse_response(said)), "rtsp://h/1")

    def test_wrong_namespaces(self) -> None:
        """Names count without namespace or prefix."""
        [profile] = onvif.parse_profiles(
            body(
                '<x:GetProfilesResponse><Profiles Token="no" token="t"><x:Name>n</x:Name><VideoEncoderConfiguration>'
                "<x:Encoding>H264</x:Encoding><Resolution><Width>640</Width><Height>480</Height></Resolution>"
                "</VideoEncoderConfiguration></Profiles></x:GetProfilesResponse>"
            )
        )
        self.assertEqual(profile, onvif.Profile("t", "n", "", "H264", 640, 480))

    def test_numbers(self) -> None:
        """A size or rate that is no sane number is not said."""
        for width, rate in (
            ("-1", "-1"),
            ("99999", "inf"),
            ("1e3", "nan"),
            ("", ""),
            ("²", "x"),
            ("9" * 5000, "9" * 400),
        ):
            [profile] = onvif.parse_profiles(
                body(
                    f'<Profiles token="t"><VideoEncoderConfiguration><Resolution><Width>{width}</Width></Resolution>'
                    f"<RateControl><FrameRateLimit>{rate}</FrameRateLimit></RateControl></VideoEncoderConfiguration></Profiles>"
                )
            )
            self.assertEqual((profile.width, profile.fps), (0, 0.0), width)

    def test_codec_names(self) -> None:
        """Other words for a codec become its rtpmap name."""
        for said, expected in (
            ("h264", "H264"),
            ("H.265", "H265"),
            ("HEVC", "H265"),
            ("JPEG", "JPEG"),
            ("MPEG4", "MP4V-ES"),
        ):
            encoder = f"<VideoEncoderConfiguration><Encoding>{said}</Encoding></VideoEncoderConfiguration>"
            [profile] = onvif.parse_profiles(body(f'<Profiles token="t">{encoder}</Profiles>'))
            self.assertEqual(profile.codec, expected)

    def test_profiles_bounded(self) -> None:
        """An NVR's many profiles are all read, endless ones are not, and one token counts once."""
        many = "".join(f'<Profiles token="t{number}"/>' for number in range(300))
        self.assertEqual(len(onvif.parse_profiles(body(many[: many.index('<Profiles token="t64"')]))), 64)
        self.assertEqual(len(onvif.parse_profiles(body(many))), onvif.MAX_PROFILES)
        self.assertEqual(len(onvif.parse_profiles(body('<Profiles token="t"/><Profiles token="t"/><Profiles/>'))), 1)

    def test_long_words_of_a_profile(self) -> None:
        """A long name is cut; a token, which goes back to the device, is whole or its profile is left out."""
        said = (("t" * 256, "n" * 4000), ("u" * 257, "x"))
        xml = "".join(f'<Profiles token="{token}"><Name>{name}</Name></Profiles>' for token, name in said)
        [profile] = onvif.parse_profiles(body(xml))
        self.assertEqual(("t" * 256, "n" * 64), (profile.token, profile.name))

    def test_interface_without_address(self) -> None:
        """An interface without a hardware address is left out."""
        self.assertEqual(onvif.parse_network_interfaces(body('<NetworkInterfaces token="lo"/>')), ())

    def test_nothing_said(self) -> None:
        """From an empty answer every parser gives empty values."""
        empty = body("<x/>")
        self.assertEqual(onvif.parse_device_information(empty), onvif.DeviceInformation())
        self.assertEqual(onvif.parse_system_date_and_time(empty), onvif.SystemTime())
        for parse in (onvif.parse_services, onvif.parse_capabilities):
            self.assertEqual(parse(empty), {})
        for parse in (onvif.parse_scopes, onvif.parse_network_interfaces, onvif.parse_profiles):
            self.assertEqual(parse(empty), ())
        for parse in (onvif.parse_hostname, onvif.parse_endpoint_reference, onvif.parse_uri):
            self.assertEqual(parse(empty), "")

    def test_long_texts(self) -> None:
        """A name of a megabyte is cut, and control characters do not come through."""
        said = f"<Model>{'x' * 500_000}</Model><SerialNumber>a\nb\u202ec</SerialNumber>"
        answer = body(f"<GetDeviceInformationResponse>{said}</GetDeviceInformationResponse>")
        information = onvif.parse_device_information(answer)
        self.assertEqual((len(information.model), information.serial_number), (MAX_TEXT, "a bc"))


class Hostile(SynchronousTestCase):
    ANSWERS = (
        (onvif_answers.profiles([MAIN, SUB]), onvif.parse_profiles),
        (onvif_answers.profiles2([MAIN, SUB]), onvif.parse_profiles),
        (onvif_answers.system_date_and_time(NOW, local=NOW), onvif.parse_system_date_and_time),
        (onvif_answers.services({onvif.NS_DEVICE: "http://h/"}), onvif.parse_services),
        (onvif_answers.capabilities({onvif.NS_DEVICE: "http://h/"}), onvif.parse_capabilities),
        (
            onvif_answers.network_interfaces([onvif.NetworkInterface("e", "00:11:22:33:44:55")]),
            onvif.parse_network_interfaces,
        ),
        (onvif_answers.stream_uri("rtsp://h/"), onvif.parse_uri),
    )

    def test_truncated(self) -> None:
        """An answer cut at any byte is refused as a whole, unless all that it says is there."""
        for data, parse in self.ANSWERS[:3]:
            whole = data.index(b"</s:Body>")
            for end in range(0, whole, 7):
                with self.assertRaises(RemoteError):
                    parse_response(data[:end])
            for end in range(whole, len(data)):
                self.assertEqual(parse(parse_response(data)), parse(parse_response(data[:end])))

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_mutated(self, data: st.DataObject) -> None:
        """A changed answer gives a value or a RemoteError, never another exception."""
        answer, parse = data.draw(st.sampled_from(self.ANSWERS))
        for _ in range(data.draw(st.integers(1, 4))):
            position = data.draw(st.integers(0, len(answer)))
            inserted = data.draw(
                st.one_of(st.binary(max_size=4), st.sampled_from([b"<a>", b"</a>", b"&x;", b"9" * 50]))
            )
            answer = answer[:position] + inserted + answer[position + data.draw(st.integers(0, 30)) :]
        try:
            parse(parse_response(answer))
        except RemoteError:
            return
