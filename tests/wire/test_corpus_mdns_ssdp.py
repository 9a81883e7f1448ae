"""Captured datagrams and records of Multicast DNS and SSDP are read as their notes say."""

from __future__ import annotations

import json
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from tests import corpus
from twisted_detector.wire.lan import dns_sd, mdns, ssdp


class CorpusTests(SynchronousTestCase):
    """The world's datagrams."""

    if corpus.SKIP:
        skip = corpus.SKIP

    def test_packets(self) -> None:
        """Every captured packet gives the address and the MAC of the device, or the kinds of its services."""
        cases = corpus.cases("mdns.packet")
        self.assertTrue(cases)
        for case in cases:
            message = mdns.parse(case.data)
            self.assertTrue(message.is_response, case.id)
            if case.expect.get("service_types"):
                (record,) = message.records
                self.assertEqual(mdns.text_of(record.name), "_services._dns-sd._udp.local", case.id)
                self.assertEqual(mdns.text_of(record.data), "_rtsp._tcp.local", case.id)  # type: ignore[arg-type]
                continue
            (service,) = dns_sd.services(message.records)
            self.assertEqual(str(service.mac), case.expect["mac"], case.id)
            self.assertIn(case.expect["ip"], service.addresses, case.id)
            self.assertEqual(dns_sd.is_camera(service), service.kind != "_http._tcp", case.id)

    def test_records(self) -> None:
        """Every record, put on the wire and read again, gives name, port, MAC and address."""
        cases = corpus.cases("mdns.record")
        self.assertTrue(cases)
        for case in cases:
            said = json.loads(case.data)
            kind = dns_sd.kind_name(said["type"].removesuffix(".local."))
            instance = (said["name"].removesuffix("." + said["type"]).encode(), *kind)
            host = tuple(said["hostname"].rstrip(".").encode().split(b"."))
            strings = tuple(f"{key}={value}".encode() for key, value in said["properties"].items())
            written = mdns.response(
                [
                    mdns.Record(kind, mdns.PTR, 4500, instance),
                    mdns.Record(instance, mdns.SRV, 120, mdns.Location(said["port"], host)),
                    mdns.Record(instance, mdns.TXT, 4500, strings),
                    mdns.Record(host, mdns.A, 120, str(ip_address(said["host"]))),
                ]
            )
            (service,) = dns_sd.services(mdns.parse(written).records)
            self.assertEqual(
                {"mac": str(service.mac), "port": service.port, "name": service.title}, case.expect, case.id
            )
            self.assertEqual(service.addresses, (said["host"],), case.id)
            self.assertTrue(dns_sd.is_camera(service), case.id)

    def test_responses(self) -> None:
        """Every captured answer is read, and cameras are told from all else."""
        cases = corpus.cases("ssdp.response")
        self.assertTrue(cases)
        for case in cases:
            notice = ssdp.parse(case.data)
            self.assertEqual(notice.kind, "response", case.id)
            self.assertTrue(notice.usn and notice.location and notice.server and notice.target, case.id)
            self.assertEqual(ssdp.is_camera(notice), case.expect["camera"], case.id)
