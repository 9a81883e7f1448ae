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
        "test_inspection_onvif::Where.test_second_address",
        "test_inspection_onvif::Facts.test_media_at_a_dead_port",
        "wire/test_device_url::DeviceUrl.test_http",
        "wire/test_wsdiscovery::XaddrTests.test_order",
    ),
    "user and password in logs and retained topics, not percent-encoded": (
        "test_topics::EndToEndTests.test_no_login_in_any_message",
        "test_documents::CameraDocumentTests.test_urls_carry_no_login",
        "test_config::Secrets.test_no_secret_is_shown",
        "test_inspection_rtsp::ValidatorTests.test_url_with_login",
        "wire/test_device_url::DeviceUrl.test_rtsp",
    ),
    "credentials times paths in parallel": (
        "test_credentials::SpendingTests.test_one_failure_per_login_and_two_per_window",
        "test_credentials::KeepingTests.test_any_history",
        "test_inspection_rtsp::ValidatorTests.test_one_connection_per_device",
        "test_inspection_onvif::Clocks.test_wrong_password_with_an_offset",
        "integration/test_onvif::test_nothing_locks",
    ),
    "default passwords were guessed": ("test_config::Values.test_nothing_set",),
    "the IP address as identity": (
        "test_identity::NamesTests.test_permanent_id",
        "test_registry::IdentityTests.test_reference_that_was_told_when_asked",
        "test_registry::IdentityTests.test_move",
    ),
    "one process with OpenCV for each check": ("test_traps::Ours.test_no_process_for_a_check",),
    "IPv6 hosts were not handled": (
        "wire/test_wsdiscovery::XaddrTests.test_ipv6_only",
        "wire/test_device_url::DeviceUrl.test_ipv6",
        "test_inspection_http::Http.test_ipv6",
        "test_discovery_wsdiscovery::SweepTests.test_link_local",
        "test_model::AddressTests.test_hosts_in_urls",
    ),
    "QoS 1 messages were dropped when the broker was away": (
        "test_outbox::Receipts.test_accepted_when_committed",
        "test_outbox::Order.test_connection_lost_restores_order",
    ),
    "5 s for each single acknowledgement": ("test_mqtt::SendingTests.test_window_is_narrow_first_and_widens",),
    "stopping cleared the queue": ("test_outbox::Receipts.test_stop", "test_outbox::Restore.test_order_and_priority"),
    "a timestamp that ended in +00:00Z": (
        "test_topics::PayloadTests.test_stamps",
        "test_documents::StampTests.test_rfc3339",
    ),
}

#: What other programs get wrong → the same.
OTHERS = {
    "a whole probe in 120 ms": ("test_discovery_wsdiscovery::SweepTests.test_repetitions",),
    "a fixed maximum of 10 profiles": (
        "test_inspection_onvif::Facts.test_many_profiles",
        "test_inspection_onvif::Recorder.test_bound",
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
        "test_inspection_http::Http.test_no_answer_in_time",
        "integration/test_onvif::test_hostile_answers",
    ),
    "a datagram buffer of 8192 bytes": ("test_traps::Ours.test_whole_datagrams",),
    "de-duplication sets that grow for ever": (
        "test_discovery_wsdiscovery::HostileTests.test_complaints_are_bounded",
        "test_discovery_wsdiscovery::HostileTests.test_many_forgers",
        "test_inspection_onvif::Visits.test_bounded",
    ),
    "only the first ProbeMatch of a datagram": ("test_discovery_wsdiscovery::SweepTests.test_several_in_one_datagram",),
    "the sender's address ignored": ("wire/test_wsdiscovery::XaddrTests.test_unreachable_is_rewritten",),
    "Bye ignored": ("test_discovery_wsdiscovery::WatchTests.test_bye", "test_registry::LifeTests.test_goodbye"),
    "a camera that moved is ignored as known": (
        "test_registry::IdentityTests.test_move",
        "test_discovery_wsdiscovery::OtherLooks.test_resolve",
    ),
    "the MAC of the first enabled interface as identity": (
        "test_identity::ClaimTests.test_what_identifies_nobody",
        "test_registry::IdentityTests.test_clones_stay_apart",
    ),
    "200 to DESCRIBE believed": ("test_inspection_rtsp::ValidatorTests.test_endings",),
    "only 200 counts, so that cameras with a password yield nothing": (
        "test_inspection_rtsp::InspectorTests.test_path_first_with_password",
        "test_inspection_onvif::Logins.test_needed",
    ),
    "a clock that differs taken for a wrong password": (
        "test_inspection_onvif::Clocks.test_skewed",
        "test_inspection_onvif::Clocks.test_local_time_as_utc",
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
        from twisted_detector.wire.onvif import parse_profiles
        from twisted_detector.wire.soap import parse_response

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
        from twisted_detector.discovery import multicast
        from twisted_detector.wire import wsdiscovery

        self.assertGreaterEqual(multicast._MAX_DATAGRAM, 65_507)
        self.assertGreaterEqual(wsdiscovery.MAX_DATAGRAM, 65_507)
