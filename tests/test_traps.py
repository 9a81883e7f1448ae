"""The traps that are known of the predecessor and of other programs: each is a test, here or where it belongs.

A reference is ``file::Class.test``; that the test exists is itself tested, so no trap is lost with a renaming.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "twisted_detector"

#: What the predecessor did wrong → the tests that would fail if we did. Its recorder's configuration (the seventh trap
#: of the list) is tested with that output.
PREDECESSOR = {
    "host from the first XAddr, port from the configuration": (
        "inspection/test_onvif::Where.test_second_address",
        "inspection/test_onvif_media::Media.test_media_at_a_dead_port",
        "wire/test_device_url::DeviceUrl.test_http",
        "wire/test_wsdiscovery::XaddrTests.test_order",
    ),
    "user and password in logs and retained topics, not percent-encoded": (
        "outputs/test_topics::EndToEndTests.test_no_login_in_any_message",
        "outputs/test_camera_json::CameraDocumentTests.test_urls_carry_no_login",
        "config/test_reader::Secrets.test_no_secret_is_shown",
        "inspection/test_rtsp::ValidatorTests.test_url_with_login",
        "wire/test_device_url::DeviceUrl.test_rtsp",
    ),
    "credentials times paths in parallel": (
        "inspection/test_login_budget::SpendingTests.test_one_failure_per_login_and_two_per_window",
        "inspection/test_login_budget::KeepingTests.test_any_history",
        "inspection/test_rtsp::ValidatorTests.test_one_connection_per_device",
        "inspection/test_onvif_clocks::Clocks.test_wrong_password_with_an_offset",
        "integration/test_onvif::test_nothing_locks",
    ),
    "default passwords were guessed": ("config/test_config::Values.test_nothing_set",),
    "the IP address as identity": (
        "registry/test_claims::NamesTests.test_permanent_id",
        "registry/test_registry::IdentityTests.test_reference_that_was_told_when_asked",
        "registry/test_registry::IdentityTests.test_move",
    ),
    "one process with OpenCV for each check": ("test_traps::Ours.test_no_process_for_a_check",),
    "IPv6 hosts were not handled": (
        "wire/test_wsdiscovery::XaddrTests.test_ipv6_only",
        "wire/test_device_url::DeviceUrl.test_ipv6",
        "inspection/test_http::Http.test_ipv6",
        "discovery/test_wsdiscovery::SweepTests.test_link_local",
        "model/test_addresses::AddressTests.test_hosts_in_urls",
    ),
    "QoS 1 messages were dropped when the broker was away": (
        "mqtt/test_outbox::Receipts.test_accepted_when_committed",
        "mqtt/test_outbox::Order.test_connection_lost_restores_order",
    ),
    "5 s for each single acknowledgement": ("mqtt/test_client::SendingTests.test_window_is_narrow_first_and_widens",),
    "stopping cleared the queue": (
        "mqtt/test_outbox::Receipts.test_stop",
        "mqtt/test_outbox::Restore.test_order_and_priority",
    ),
    "a timestamp that ended in +00:00Z": (
        "outputs/test_topics::PayloadTests.test_stamps",
        "model/test_encoding::StampTests.test_rfc3339",
    ),
}

#: What other programs get wrong → the same.
OTHERS = {
    "a whole probe in 120 ms": ("discovery/test_wsdiscovery::SweepTests.test_repetitions",),
    "a fixed maximum of 10 profiles": (
        "inspection/test_onvif_media::Media.test_many_profiles",
        "inspection/test_onvif_media::Recorder.test_bound",
    ),
    "XML names not escaped": (
        "wire/test_onvif::Requests.test_tokens_are_escaped",
        "wire/test_wsdiscovery::ReadingTests.test_markup_is_escaped",
    ),
    "profiles by regular expression, a fixed list of prefixes": (
        "wire/test_xml::Walk.test_names",
        "test_traps::Ours.test_any_prefix",
    ),
    "an HTTP time-out of 83 minutes": (
        "inspection/test_http::Http.test_no_answer_in_time",
        "integration/test_onvif::test_hostile_answers",
    ),
    "a datagram buffer of 8192 bytes": ("test_traps::Ours.test_whole_datagrams",),
    "de-duplication sets that grow for ever": (
        "discovery/test_wsdiscovery::HostileTests.test_logged_faults_are_bounded",
        "discovery/test_wsdiscovery::HostileTests.test_many_forgers",
        "inspection/test_onvif::Visits.test_bounded",
    ),
    "only the first ProbeMatch of a datagram": ("discovery/test_wsdiscovery::SweepTests.test_several_in_one_datagram",),
    "the sender's address ignored": ("wire/test_wsdiscovery::XaddrTests.test_unreachable_is_rewritten",),
    "Bye ignored": (
        "discovery/test_wsdiscovery::WatchTests.test_bye",
        "registry/test_registry::LifeTests.test_goodbye",
    ),
    "a camera that moved is ignored as known": (
        "registry/test_registry::IdentityTests.test_move",
        "discovery/test_wsdiscovery::OtherLooks.test_resolve",
    ),
    "the MAC of the first enabled interface as identity": (
        "registry/test_claims::ClaimTests.test_what_identifies_nobody",
        "registry/test_registry::IdentityTests.test_clones_stay_apart",
    ),
    "200 to DESCRIBE believed": ("inspection/test_rtsp::ValidatorTests.test_endings",),
    "only 200 counts, so that cameras with a password yield nothing": (
        "inspection/test_rtsp_inspector::InspectorTests.test_path_first_with_password",
        "inspection/test_onvif_logins::Logins.test_needed",
    ),
    "a clock that differs taken for a wrong password": (
        "inspection/test_onvif_clocks::Clocks.test_skewed",
        "inspection/test_onvif_clocks::Clocks.test_local_time_as_utc",
        "integration/test_onvif::test_nothing_locks",
    ),
}


@cache
def names_in(file: str) -> frozenset[str]:
    """``Class.test`` and ``test`` of one file."""
    tree = ast.parse((HERE / f"{file}.py").read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {node.name for node in tree.body if isinstance(node, functions)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, functions)}
    return frozenset(found)


class References(SynchronousTestCase):
    def test_all_exist(self) -> None:
        """Every trap has tests, and they are there."""
        lost = [
            f"{trap}: {reference}"
            for trap, references in (PREDECESSOR | OTHERS).items()
            for file, _, test in (reference.partition("::") for reference in references)
            if test not in names_in(file) or not test.rpartition(".")[2].startswith("test_")
            for reference in (f"{file}::{test}",)
        ]
        self.assertEqual(lost, [])
        self.assertTrue(all((PREDECESSOR | OTHERS).values()))


class Ours(SynchronousTestCase):
    """Traps that no other test has."""

    def test_no_process_for_a_check(self) -> None:
        """What asks and proves imports neither processes nor OpenCV."""
        for path in (PACKAGE / "inspection").rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            self.assertFalse({"subprocess", "multiprocessing", "cv2", "twisted.internet.process"} & names, path)

    def test_any_prefix(self) -> None:
        """A profile is read whatever its prefixes, and with those that nobody declared."""
        from twisted_detector.wire.onvif.answers import parse_profiles
        from twisted_detector.wire.soap.envelope import parse_response

        for envelope, media, schema in (("SOAP-ENV", "ns7", "x"), ("e", "trt", "trt"), ("env", "undeclared", "tt")):
            declared = f'xmlns:{envelope}="http://www.w3.org/2003/05/soap-envelope"'
            answer = (
                f"<{envelope}:Envelope {declared}><{envelope}:Body><{media}:GetProfilesResponse>"
                f"<{media}:Profiles token='a&amp;b'><{schema}:Name>\n one </{schema}:Name></{media}:Profiles>"
                f"</{media}:GetProfilesResponse></{envelope}:Body></{envelope}:Envelope>"
            )
            (profile,) = parse_profiles(parse_response(answer.encode()))
            self.assertEqual((profile.token, profile.name), ("a&b", "one"))

    def test_whole_datagrams(self) -> None:
        """Sockets that hear announcements read datagrams of any size that UDP allows."""
        from twisted_detector.discovery.multicast import sockets as multicast
        from twisted_detector.wire.lan import wsdiscovery

        self.assertGreaterEqual(multicast.MAX_DATAGRAM, 65_507)
        self.assertGreaterEqual(wsdiscovery.MAX_DATAGRAM, 65_507)
