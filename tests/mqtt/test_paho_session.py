"""The network side without a network: the real paho over a socket of memory, watchdog, resolver, filters."""

from __future__ import annotations

import ssl
from typing import Any

from hypothesis import given, settings, strategies as st
from paho.mqtt.client import topic_matches_sub  # noqa: TID251  the reference to compare with
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.mqtt import FakeThread, MemorySocket
from twisted_detector.model import Message, Secret
from twisted_detector.mqtt.network.buffered_socket import (
    MAX_INBOUND_PACKET,
    MAX_UNSENT,
    AttemptFailed,
    BufferedSocket,
    describe_error,
)
from twisted_detector.mqtt.network.connect import CONNECT_TIMEOUT, CONNECT_TIMEOUT_MORE, Connector, tls_context
from twisted_detector.mqtt.network.loop import within_limits
from twisted_detector.mqtt.network.paho_session import MQTT_3_1_1, MQTT_5, Connack, Job, PahoSession, connack_from
from twisted_detector.mqtt.network.patience import SILENCE
from twisted_detector.mqtt.network.resolver import Resolver, mixed
from twisted_detector.mqtt.network.watchdog import PING_AFTER, Watchdog
from twisted_detector.mqtt.network.will import WillLimits
from twisted_detector.mqtt.seams import Cause
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.mqtt.subscriptions import covers, matches

CONNACK = b"\x20\x02\x00\x00"
CONNACK_FIVE = b"\x20\x03\x00\x00\x00"

#: One of each packet that a broker may send, for mutations.
PACKETS = (
    CONNACK,
    CONNACK_FIVE,
    b"\x20\x0b\x00\x00\x08\x21\x00\x0a\x27\x00\x00\x01\x00",
    b"\x30\x05\x00\x01ahi",
    b"\x32\x08\x00\x01b\x00\x07\x00hi",
    b"\x40\x02\x00\x01",
    b"\x40\x03\x00\x01\x87",
    b"\x50\x02\x00\x01",
    b"\x62\x02\x00\x01",
    b"\x90\x04\x00\x02\x00\x01",
    b"\xb0\x04\x00\x01\x00\x11",
    b"\xd0\x00",
    b"\xe0\x02\x8e\x00",
)


class ClientTestCase(SynchronousTestCase):
    def make(self, protocol: int = MQTT_3_1_1, **settings: Any) -> PahoSession:
        self.raw = MemorySocket()
        self.sock = BufferedSocket(self.raw)
        wanted = MqttSettings(**{"host": "h", "client_id": "c", "lwt_topic": "w", **settings})
        self.client = PahoSession(Job(wanted, protocol, 1, b"gone", (), "c"), self.sock)
        self.client.connect()
        return self.client

    def flush(self) -> list[bytes]:
        self.client.write()
        self.sock.flush()
        sent, self.raw.sent = self.raw.sent, []
        return sent

    def feed(self, data: bytes) -> None:
        self.raw.incoming.append(data)
        self.sock.fill()
        while self.sock.readable and self.client.is_alive():
            self.client.read()

    def close(self) -> None:
        """The peer closes the connection."""
        self.raw.incoming.append(b"")
        self.sock.fill()
        self.client.read()

    def connected(self, protocol: int = MQTT_3_1_1) -> PahoSession:
        self.make(protocol)
        self.flush()
        self.feed(CONNACK if protocol == MQTT_3_1_1 else CONNACK_FIVE)
        self.client.events.clear()
        return self.client


class PacketTests(ClientTestCase):
    def test_connect(self) -> None:
        """CONNECT asks for a clean session, with our will retained at QoS 1, name, password and keepalive."""
        self.make(username="joe", password=Secret("pw"), keepalive=30)
        self.assertEqual(
            self.flush(),
            [b"\x10\x1f\x00\x04MQTT\x04\xee\x00\x1e\x00\x01c\x00\x01w\x00\x04gone\x00\x03joe\x00\x02pw"],
        )

    def test_connect_five(self) -> None:
        """CONNECT of MQTT 5 starts clean and says how large a packet we take."""
        self.make(MQTT_5)
        (packet,) = self.flush()
        self.assertEqual(packet[2:13], b"\x00\x04MQTT\x05\x2e\x00\x1e\x05")
        self.assertEqual(packet[13:18], b"\x27" + MAX_INBOUND_PACKET.to_bytes(4, "big"))

    def test_messages_leave_in_one_send(self) -> None:
        """Publishing writes nothing; fifty messages leave in one call of ``send``, byte for byte in order."""
        self.connected()
        mids = [self.client.publish(Message("t", b"%02d" % number)) for number in range(50)]
        self.assertEqual((mids, self.raw.sent), (list(range(16384, 16434)), []))
        sent = self.flush()
        self.assertEqual(len(sent), 1)
        expected = b"".join(b"\x32\x07\x00\x01t" + mid.to_bytes(2, "big") + b"%02d" % (mid - 16384) for mid in mids)
        self.assertEqual(sent[0], expected)

    def test_ping_between_packets(self) -> None:
        """Our PINGREQ never falls into a packet, also when the kernel took only a part of it."""
        self.connected()
        self.raw.room = 3
        self.client.publish(Message("t", b"0123456789"))
        self.client.write()
        self.sock.flush()
        self.client.ping()
        self.raw.room = 1 << 20
        self.assertEqual(b"".join(self.flush())[-3:], b"9\xc0\x00")

    def test_large_backlog_waits(self) -> None:
        """What the socket has no room for stays with paho and leaves later, whole and in order."""
        self.connected()
        half = bytes(MAX_UNSENT // 2)
        self.raw.room = 0
        for number in range(4):
            self.client.publish(Message(f"t{number}", half))
        self.client.write()
        self.assertLess(self.sock.unsent, 2 * MAX_UNSENT)
        self.raw.room = 1 << 30
        data = b""
        for _ in range(4):
            data += b"".join(self.flush())
        self.assertEqual([data.count(b"t%d" % number) for number in range(4)], [1, 1, 1, 1])
        self.assertEqual(len(data), 4 * (len(half) + 4 + 2 + 2 + 2))

    def test_acknowledgements_in_one_read(self) -> None:
        """Many PUBACKs that came together are all taken from one read."""
        self.connected()
        mids = [self.client.publish(Message("t", b"")) for _ in range(30)]
        self.flush()
        self.feed(b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids))
        self.assertEqual(self.client.acknowledgements(), [(mid, 0) for mid in mids])
        self.assertEqual(self.client.acknowledgements(), [])

    def test_qos_0_is_done_when_it_was_handed_over(self) -> None:
        """A QoS 0 message counts once the socket has taken its packet."""
        self.connected()
        self.raw.room = 0
        first = self.client.publish(Message("t", bytes(MAX_UNSENT), qos=0))
        second = self.client.publish(Message("t", b"", qos=0))
        self.client.write()
        self.assertEqual(self.client.acknowledgements(), [(first, 0)])
        self.raw.room = 1 << 30
        self.flush()
        self.flush()
        self.assertEqual(self.client.acknowledgements(), [(second, 0)])

    def test_identifiers_never_meet_those_of_paho(self) -> None:
        """Packet identifiers of messages go round above those that paho uses for subscriptions."""
        self.connected()
        mids = {self.client.publish(Message("t", b"", qos=0)) for _ in range(60_000)}
        self.assertEqual((min(mids), max(mids)), (16384, 65535))
        self.assertEqual(self.client.subscribe(["a"], 1), 1)

    def test_quality_of_a_subscription(self) -> None:
        """A filter is subscribed to with the QoS that it is to have."""
        self.connected()
        for qos in (0, 1):
            self.client.subscribe(["a", "b"], qos)
            packet = b"".join(self.flush())
            self.assertEqual((packet[:1], packet[4:]), (b"\x82", b"\x00\x01a%c\x00\x01b%c" % (qos, qos)))

    def test_denied_publish_is_visible_with_five(self) -> None:
        """A PUBACK of MQTT 5 with a failure says so (paho's is_published is true all the same)."""
        self.connected(MQTT_5)
        self.feed(b"\x40\x03\x40\x00\x87" + b"\x40\x04\x40\x01\x97\x00")
        self.assertEqual(self.client.acknowledgements(), [(16384, 0x87), (16385, 0x97)])
        self.assertEqual(self.client.puback_reason(0x87), "the broker says: not authorized")
        self.assertEqual(self.client.puback_reason(0xEE), "the broker says: reason 0xee")

    def test_message_that_is_too_large(self) -> None:
        """It is passed over and answered, with each QoS and version; paho sees nothing of it, and what follows arrives.

        The PUBREL that ends an exchange with QoS 2 is answered by paho, who does not know the message.
        """
        size = MAX_INBOUND_PACKET + 1
        length = bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14))
        for protocol in (MQTT_3_1_1, MQTT_5):
            for qos, answer, after in (
                (0, b"", b""),
                (1, b"\x40\x02\x00\x07", b""),
                (2, b"\x50\x02\x00\x07", b"\x62\x02\x00\x07"),
            ):
                self.connected(protocol)
                content = b"\x00\x03a/b" + (b"\x00\x07" if qos else b"")
                self.feed(bytes([0x31 | qos << 1]) + length + content)
                self.assertEqual((self.sock.passing_over, self.sock.within_packet), (True, True))
                for _ in range(15):
                    self.feed(bytes(65_536))
                self.assertEqual(self.flush(), [], "answered before it was complete")
                self.feed(bytes(size - len(content) - 15 * 65_536) + after + b"\x30\x06\x00\x01a\x00hi")
                self.assertEqual((self.sock.passing_over, self.sock.within_packet), (False, False))
                self.assertEqual(b"".join(self.flush()), answer + (b"\x70\x02\x00\x07" if after else b""))
                self.assertEqual([event[0] for event in self.client.events], ["message"])
                [over] = self.sock.passed_over
                self.assertEqual((over.topic, over.octets, self.client.is_alive()), ("a/b", size, True))

    def test_ping_without_room(self) -> None:
        """Where the socket takes no more, a ping is left out: what waits there is heard of us as well."""
        self.connected()
        self.raw.room = 0
        self.client.publish(Message("t", bytes(MAX_UNSENT)))
        self.client.write()
        self.client.ping()
        self.raw.room = 1 << 30
        self.assertNotIn(b"\xc0\x00", b"".join(self.flush())[-2:])

    def test_expiry_with_five(self) -> None:
        """A message that expires carries its interval in MQTT 5, at least a second."""
        self.connected(MQTT_5)
        self.client.publish(Message("t", b"x", expires_after=0.2))
        self.assertIn(b"\x02\x00\x00\x00\x01", self.flush()[0])

    def test_every_cut_of_the_bytes(self) -> None:
        """Bytes that come one at a time, or cut anywhere, mean the same."""
        data = b"\x30\x05\x00\x01ahi" + b"\x40\x02\x00\x01" + b"\xd0\x00" + b"\x32\x05\x00\x01b\x00\x07"
        for cut in range(len(data) + 1):
            self.connected()
            for part in (data[:cut], data[cut:]):
                if part:
                    self.feed(part)
            self.assertEqual([event[0] for event in self.client.events], ["message", "message"])
            self.assertEqual(self.client.acknowledgements(), [(1, 0)])

    @settings(max_examples=400, deadline=None, database=None)
    @given(
        st.lists(st.sampled_from(PACKETS) | st.binary(max_size=20), min_size=1, max_size=4),
        st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=3),
        st.sampled_from((MQTT_3_1_1, MQTT_5)),
    )
    def test_hostile_bytes(self, packets: list[bytes], changes: list[tuple[int, int]], protocol: int) -> None:
        """Whatever a broker sends is taken in, waited for, or ends the connection: nothing is raised, nothing spins."""
        data = bytearray(b"".join(packets))
        for position, octet in changes:
            if data:
                data[position % len(data)] = octet
        self.make(protocol)
        self.client.publish(Message("t", b""))
        self.client.subscribe(["a"], 0)
        self.raw.incoming.append(bytes(data))
        self.sock.fill()
        for _ in range(100):
            if not (self.sock.readable and self.client.is_alive()):
                break
            self.client.read()
        else:
            self.fail("reading does not end")

    def test_limits_of_the_broker(self) -> None:
        """Receive Maximum and Maximum Packet Size are read from the CONNACK; 3.1.1 has none."""
        self.make(MQTT_5)
        self.feed(b"\x20\x0b\x00\x00\x08\x21\x00\x0a\x27\x00\x00\x01\x00")
        accepted = connack_from(self.client.events[0][2], MQTT_5)
        self.assertEqual((accepted.receive_maximum, accepted.maximum_packet), (10, 256))
        self.make()
        self.feed(CONNACK)
        self.assertEqual(connack_from(self.client.events[0][2], MQTT_3_1_1).receive_maximum, 65535)


class EndingTests(ClientTestCase):
    def ending(self, accepted: bool = False) -> Any:
        self.assertFalse(self.client.is_alive())
        for event in self.client.events:
            if event[0] == "connack" and event[1].is_failure:
                return self.client.connack_ending(event[1])
        return self.client.ending(accepted)

    def test_refusals(self) -> None:
        """Each CONNACK with a failure has its reason in plain words, and is terminal where waiting does not help."""
        for protocol, answer, words, terminal, fallback in (
            (MQTT_3_1_1, b"\x20\x02\x00\x01", "does not speak this version", True, False),
            (MQTT_3_1_1, b"\x20\x02\x00\x02", "client id", True, False),
            (MQTT_3_1_1, b"\x20\x02\x00\x03", "server unavailable", False, False),
            (MQTT_3_1_1, b"\x20\x02\x00\x04", "wrong user name or password", True, False),
            (MQTT_3_1_1, b"\x20\x02\x00\x05", "does not authorize", True, False),
            (MQTT_5, b"\x20\x02\x00\x01", "does not speak this version", True, True),
            (MQTT_5, b"\x20\x03\x00\x84\x00", "does not speak this version", True, True),
            (MQTT_5, b"\x20\x03\x00\x86\x00", "wrong user name or password", True, False),
            (MQTT_5, b"\x20\x03\x00\x89\x00", "server busy", False, False),
            (MQTT_5, b"\x20\x03\x00\x8a\x00", "banned", True, False),
            (MQTT_5, b"\x20\x03\x00\x8c\x00", "the broker does not accept this way of logging in", True, False),
        ):
            self.make(protocol)
            self.flush()
            self.feed(answer)
            ending = self.ending()
            self.assertIn(words, ending.reason)
            self.assertEqual((ending.terminal, ending.fallback), (terminal, fallback), answer)
            self.assertEqual(self.flush(), [], "paho must not connect by itself")

    def test_refused_will(self) -> None:
        """A will that is refused for being retained, or for its QoS (MQTT 5), is no end: the next one is another."""
        for code, limits in ((0x9A, WillLimits(1, False)), (0x9B, WillLimits(0, True)), (0x97, None)):
            self.make(MQTT_5)
            (connect,) = self.flush()
            self.assertEqual(connect[9] & 0x3C, 0x2C, "a will of QoS 1, retained")
            self.feed(bytes((0x20, 3, 0, code, 0)))
            ending = self.ending()
            self.assertEqual((ending.terminal, ending.will_limits), (False, limits))
        wanted = MqttSettings(host="h", client_id="c", lwt_topic="w")
        self.client = PahoSession(Job(wanted, MQTT_5, 1, b"gone", (), "c", WillLimits(0, False)), self.sock)
        self.client.connect()
        (connect,) = self.flush()
        self.assertEqual(connect[9] & 0x3C, 0x04)

    def test_causes(self) -> None:
        """A refusal of who we are, a close without a word and a takeover are told apart from all other ends."""
        for protocol, answer, cause in (
            (MQTT_3_1_1, b"\x20\x02\x00\x01", Cause.TERMS),
            (MQTT_5, b"\x20\x03\x00\x84\x00", Cause.TERMS),
            (MQTT_3_1_1, b"\x20\x02\x00\x02", Cause.LOGIN),
            (MQTT_3_1_1, b"\x20\x02\x00\x03", Cause.OTHER),
            (MQTT_3_1_1, b"\x20\x02\x00\x04", Cause.LOGIN),
            (MQTT_3_1_1, b"\x20\x02\x00\x05", Cause.LOGIN),
            (MQTT_5, b"\x20\x03\x00\x86\x00", Cause.LOGIN),
            (MQTT_5, b"\x20\x03\x00\x87\x00", Cause.LOGIN),
            (MQTT_5, b"\x20\x03\x00\x8a\x00", Cause.OTHER),
        ):
            self.make(protocol)
            self.flush()
            self.feed(answer)
            self.assertIs(self.ending().cause, cause, answer)
        self.make()
        self.close()
        self.assertIs(self.ending().cause, Cause.OTHER)
        self.assertTrue(self.ending().closed)
        self.connected()
        self.close()
        self.assertIs(self.ending(True).cause, Cause.CLOSED)
        self.assertTrue(self.ending(True).closed)
        self.connected()
        self.raw.incoming.append(ConnectionResetError(104, "reset"))
        self.sock.fill()
        self.client.read()
        self.assertIs(self.ending(True).cause, Cause.CLOSED)
        self.assertTrue(self.ending(True).closed)
        for reason, cause, closed in (
            (b"\x8e", Cause.TAKEN_OVER, False),
            (b"\x8b", Cause.OTHER, False),
            (b"\x97", Cause.OTHER, True),
        ):
            self.connected(MQTT_5)
            self.feed(b"\xe0\x02" + reason + b"\x00")
            self.assertEqual((self.ending(True).cause, self.ending(True).closed), (cause, closed))

    def test_losses(self) -> None:
        """A close, a reset, a DISCONNECT of the server and nonsense each have their reason."""
        self.connected()
        self.close()
        self.assertEqual(self.ending(True).reason, "the broker closed the connection")
        self.make()
        self.close()
        self.assertEqual(self.ending().reason, "the broker closed the connection instead of answering CONNECT")
        self.connected()
        self.raw.incoming.append(ConnectionResetError(104, "reset"))
        self.sock.fill()
        self.client.read()
        self.assertEqual(self.ending(True).reason, "the connection was reset")
        self.connected(MQTT_5)
        self.feed(b"\xe0\x02\x8e\x00")
        self.assertEqual(self.ending(True).reason, "the broker ended the connection: session taken over")
        self.connected()
        self.feed(b"\xff\xff\xff\xff\xff\xff")
        self.assertIn("the broker sent what MQTT does not allow", self.ending(True).reason)
        self.connected()
        self.feed(b"\xf0\x00")
        self.assertEqual(self.ending(True).reason, "the broker sent what MQTT does not allow")

    def test_reason_that_lies_unread(self) -> None:
        """When sending fails, what the peer sent before is still the reason."""

        def broken(_: object) -> int:
            raise BrokenPipeError(32, "broken pipe")

        self.make()
        self.raw.send = broken
        alert = ssl.SSLError(1, "x")
        alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        self.raw.incoming.append(alert)
        self.client.write()
        self.sock.flush()
        self.assertEqual(self.sock.unsent, 0)
        self.assertIn("does not accept our certificate", self.ending().reason)

    def test_huge_packet_is_refused(self) -> None:
        """A packet that announces more than a mebibyte, and is no message, ends the connection at once."""
        self.connected()
        self.feed(b"\x90\xff\xff\xff\x7f" + b"x" * 100)
        self.assertIn("the broker sent what MQTT does not allow: a packet that is no message", self.ending(True).reason)

    def test_words_for_tls(self) -> None:
        """A certificate that is refused, by us or by the broker, is terminal; a cut connection is not."""
        expired = ssl.SSLCertVerificationError(1, "x")
        expired.verify_message = "certificate has expired"
        self.assertEqual(
            describe_error(expired), ("the broker's certificate is not accepted: certificate has expired", True)
        )
        alert = ssl.SSLError(1, "x")
        alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
        self.assertTrue(describe_error(alert)[1])
        self.assertFalse(describe_error(ssl.SSLEOFError(8, "EOF"))[1])

    def test_words_for_sockets(self) -> None:
        """Each end of a socket has its words, in none of which an exception's name stands."""
        for error, words in (
            (TimeoutError(), "the network went silent"),
            (ConnectionRefusedError(111, "x"), "nothing listens there (connection refused)"),
            (OSError(113, "x"), "no route to host"),
            (OSError(), "the connection failed: no reason is given"),
        ):
            self.assertEqual((words, False), describe_error(error))

    def test_missing_tls_files(self) -> None:
        """A certificate file that is not there is a refused attempt that names it."""
        for name in ("tls_ca_path", "tls_cert_path"):
            with self.assertRaises(AttemptFailed) as raised:
                tls_context(MqttSettings(host="h", client_id="c", tls=True, **{name: "/nowhere/x.pem"}))
            self.assertIn("TLS files: /nowhere/x.pem cannot be used: No such file", raised.exception.reason)
            self.assertFalse(raised.exception.terminal)


class WatchdogTests(SynchronousTestCase):
    def test_silence_while_something_is_owed(self) -> None:
        """Nothing received for four seconds while a message waits: dead. Anything received: not."""
        watchdog = Watchdog(0.0)
        small = (10.0, 256, 256)
        self.assertEqual(watchdog.verdict(10.0 + SILENCE, small), "")
        self.assertIn("silent", watchdog.verdict(10.1 + SILENCE, small))
        watchdog.received(12.0)
        self.assertEqual(watchdog.verdict(10.2 + SILENCE, small), "")

    def test_time_before_the_question_does_not_count(self) -> None:
        """A connection that was idle for an hour is not dead at the first message."""
        self.assertEqual(Watchdog(0.0).verdict(3600.5, (3600.0, 256, 256)), "")

    def test_large_messages_get_time(self) -> None:
        """A message of 100 kB on a slow link is waited for as long as 5 kB/s need."""
        watchdog = Watchdog(0.0)
        self.assertEqual(watchdog.verdict(20.0, (0.0, 100_000, 100_000)), "")
        self.assertIn("silent", watchdog.verdict(24.5, (0.0, 100_000, 100_000)))

    def test_bytes_that_leave_the_kernel_are_a_sign_of_life(self) -> None:
        """A peer whose kernel goes on taking bytes is there, however slow."""
        watchdog = Watchdog(0.0)
        for second in range(1, 30):
            watchdog.unacknowledged(100_000 - second, float(second))
        self.assertEqual(watchdog.verdict(29.0, (0.0, 256, 1_000_000)), "")
        watchdog.unacknowledged(99_971, 36.0)
        self.assertIn("silent", watchdog.verdict(36.0, (0.0, 256, 1_000_000)))

    def test_broker_that_never_acknowledges(self) -> None:
        """Messages that are never acknowledged end the connection although the broker talks."""
        watchdog = Watchdog(0.0)
        for second in range(1, 6):
            watchdog.received(float(second))
        self.assertIn("does not acknowledge", watchdog.verdict(5.0, (0.0, 256, 256)))

    def test_within_a_packet(self) -> None:
        """While a long packet comes in, nothing can be acknowledged: that time does not count, its silence does."""
        watchdog = Watchdog(0.0)
        for second in range(1, 60):
            watchdog.received(float(second), within_packet=True)
            self.assertEqual(watchdog.verdict(second + 0.9, (0.0, 256, 256)), "")
        watchdog.received(60.0)
        self.assertEqual(watchdog.verdict(63.0, (0.0, 256, 256)), "")
        watchdog.received(63.0)
        watchdog.received(63.5)
        self.assertIn("does not acknowledge", watchdog.verdict(63.6, (0.0, 256, 256)))
        silent = Watchdog(0.0)
        silent.received(1.0, within_packet=True)
        self.assertIn("silent", silent.verdict(5.5, (0.0, 256, 256)))

    def test_idle_peer_is_pinged(self) -> None:
        """When idle a ping is sent after 1.5 s, once, and its silence is death within 5 s of the last word."""
        watchdog = Watchdog(0.0)
        self.assertFalse(watchdog.wants_ping(PING_AFTER - 0.01, waiting=False))
        self.assertTrue(watchdog.wants_ping(PING_AFTER, waiting=False))
        self.assertFalse(watchdog.wants_ping(PING_AFTER, waiting=True))
        watchdog.ping_sent(PING_AFTER)
        self.assertFalse(watchdog.wants_ping(3.0, waiting=False))
        self.assertEqual(watchdog.verdict(4.0, None), "")
        self.assertIn("ping", watchdog.verdict(4.01, None))
        watchdog.received(4.0)
        self.assertEqual(watchdog.verdict(4.5, None), "")

    def test_looks_often_enough(self) -> None:
        """It never asks to sleep past its next judgement, nor not at all."""
        watchdog = Watchdog(0.0)
        self.assertLessEqual(watchdog.next_check(1.0, waiting=False), 0.5)
        self.assertEqual(watchdog.next_check(0.0, waiting=True), 0.5)
        self.assertGreater(watchdog.next_check(99.0, waiting=False), 0)


LEVELS = st.lists(st.sampled_from(["a", "b", "", "+", "$x"]), min_size=1, max_size=4)


class MatchingTests(SynchronousTestCase):
    @given(LEVELS, st.booleans(), st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=5))
    def test_as_paho_does(self, levels: list[str], rest: bool, topic: list[str]) -> None:
        """A topic matches a filter exactly when paho says so."""
        topic_filter = "/".join([*levels, "#"] if rest else levels)
        self.assertEqual(matches(topic_filter, "/".join(topic)), topic_matches_sub(topic_filter, "/".join(topic)))

    @given(LEVELS, st.booleans(), LEVELS, st.booleans(), st.lists(st.sampled_from(["a", "b", "", "$x"]), max_size=5))
    def test_covering(self, one: list[str], one_rest: bool, two: list[str], two_rest: bool, topic: list[str]) -> None:
        """A filter that covers another matches whatever that one matches; of two different ones only one covers."""
        wide = "/".join([*one, "#"] if one_rest else one)
        narrow = "/".join([*two, "#"] if two_rest else two)
        if covers(wide, narrow):
            self.assertTrue(matches(wide, "/".join(topic)) or not matches(narrow, "/".join(topic)))
            self.assertTrue(wide == narrow or not covers(narrow, wide))

    def test_covering_table(self) -> None:
        """Which covers which."""
        for wide, narrow, expected in (
            ("#", "a/b", True), ("a/#", "a", True), ("a/#", "a/+/c", True), ("a/+", "a/b", True), ("a/+", "a/+", True),
            ("a/+", "a/#", False), ("a/b", "a/+", False), ("a/+/c", "a/b/+", False), ("#", "$SYS/x", False),
            ("+/x", "$SYS/x", False), ("$SYS/#", "$SYS/x", True), ("a", "a/b", False), ("a/b", "a", False),
        ):  # fmt: skip
            self.assertIs(covers(wide, narrow), expected, (wide, narrow))

    def test_table(self) -> None:
        """The examples of the specification (MQTT 3.1.1, 4.7)."""
        for topic_filter, topic, expected in (
            ("sport/tennis/player1/#", "sport/tennis/player1", True),
            ("sport/#", "sport", True),
            ("#", "a/b", True),
            ("sport/tennis/+", "sport/tennis/player1/ranking", False),
            ("sport/+", "sport", False),
            ("sport/+", "sport/", True),
            ("+/+", "/finance", True),
            ("+", "/finance", False),
            ("#", "$SYS/x", False),
            ("+/monitor/Clients", "$SYS/monitor/Clients", False),
            ("$SYS/#", "$SYS/x", True),
        ):
            self.assertIs(matches(topic_filter, topic), expected, (topic_filter, topic))


class AddressesTests(SynchronousTestCase):
    def test_both_families(self) -> None:
        """Of many addresses the first of each family are among those that are tried, in the system's order."""
        six = tuple((10, (f"2001:db8::{number}", 1883, 0, 0)) for number in range(8))
        four = tuple((2, (f"192.0.2.{number}", 1883)) for number in range(8))
        self.assertEqual(mixed((*six, *four)), (six[0], four[0], six[1], four[1]))
        self.assertEqual(mixed((*four, *six[:1])), (four[0], six[0], four[1], four[2]))
        self.assertEqual(mixed(four), four[:4])
        self.assertEqual(mixed(()), ())


class ConnectorTests(SynchronousTestCase):
    def test_time_for_each(self) -> None:
        """The last address has the long time, unless another one refused: its broker may be back in a moment."""
        silent, refused = AttemptFailed("no answer"), AttemptFailed("nothing listens there")
        refused.__cause__ = ConnectionRefusedError()
        for outcomes, expected in (
            ((silent,), [CONNECT_TIMEOUT]),
            ((silent, silent), [CONNECT_TIMEOUT_MORE, CONNECT_TIMEOUT]),
            ((refused, silent), [CONNECT_TIMEOUT_MORE, CONNECT_TIMEOUT_MORE]),
        ):
            waits: list[float] = []

            class Given(Connector):
                def _connect(self, family: int, where: Any, timeout: float) -> Any:
                    waits.append(timeout)  # noqa: B023  used within this turn
                    raise outcomes[where]  # noqa: B023

            connector = Given(None, lambda: 0.0)  # type: ignore[arg-type]
            with self.assertRaises(AttemptFailed):
                connector.open(tuple((2, number) for number in range(len(outcomes))), MqttSettings("h", "c"))
            self.assertEqual(waits, expected)


class LimitsTests(SynchronousTestCase):
    def test_which_count(self) -> None:
        """With MQTT 5 those of CONNACK, whatever was learnt of a will; else those of the will."""
        message = Message("t", b"", qos=1, retain=True)
        for broker, will, qos, retain in (
            (Connack(1, 0, MQTT_5), WillLimits(0, False), 1, True),
            (Connack(1, 0, MQTT_5, maximum_qos=0, retains=False), WillLimits(), 0, False),
            (Connack(1, 0, MQTT_3_1_1), WillLimits(0, True), 0, True),
            (Connack(1, 0, MQTT_3_1_1), WillLimits(), 1, True),
        ):
            kept = within_limits(message, broker, will)
            self.assertEqual((kept.qos, kept.retain), (qos, retain))


class ResolverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.thread = FakeThread()
        self.resolver = Resolver(self.clock, thread=self.thread, timeout=5.0)

    def ask(self, host: str = "h") -> Deferred[Any]:
        return Deferred.fromCoroutine(self.resolver.resolve(host, 1883))

    def test_hanging_name_server(self) -> None:
        """A name server that hangs costs five seconds, and only ever one thread."""
        first = self.ask()
        self.clock.advance(5)
        self.assertIn("within 5 s", self.failureResultOf(first, AttemptFailed).value.reason)
        work = self.thread.work
        second = self.ask()
        self.assertIs(self.thread.work, work)
        self.thread.end(((2, ("192.0.2.1", 1883)),))
        self.assertEqual(self.successResultOf(second), ((2, ("192.0.2.1", 1883)),))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_known_addresses_outlive_the_name_server(self) -> None:
        """When the name server goes away, the addresses that it gave last are used."""
        first = self.ask()
        self.thread.end(((2, ("192.0.2.1", 1883)),))
        self.successResultOf(first)
        for failure in (OSError(-3, "temporary failure"), None):
            again = self.ask()
            if failure:
                self.thread.end(failure)
            else:
                self.clock.advance(5)
            self.assertEqual(self.successResultOf(again), ((2, ("192.0.2.1", 1883)),))

    def test_unknown_and_impossible_names(self) -> None:
        """A name that is not known, has no address or is no name gives that reason."""
        for result, words in (
            (OSError(-2, "Name or service not known"), "not known"),
            (UnicodeError("label too long"), "not a host name"),
            ((), "no address"),
        ):
            asked = self.ask()
            self.thread.end(result)
            self.assertIn(words, self.failureResultOf(asked, AttemptFailed).value.reason)
