"""The packets of a stream, over time."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_reading import packet_types
from twisted_detector.testing.simulator.media.clip import main_clip
from twisted_detector.testing.simulator.rtsp.sender import RtpSender
from twisted_detector.testing.simulator.wire.rtp import GOODBYE, SENDER_REPORT
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtp.h26x import fragments
from twisted_detector.wire.rtp.keyframe import KeyframeFinder


class MemoryChannel:
    def __init__(self) -> None:
        self.ready = True
        self.packets: list[rtp.RtpPacket] = []
        self.reports: list[bytes] = []

    def rtp(self, packet: bytes) -> None:
        self.packets.append(rtp.parse(packet))

    def rtcp(self, packet: bytes) -> None:
        self.reports.append(packet)


def without_noise(nal: bytes) -> bytes:
    while nal.endswith(b"\0\0\3"):
        nal = nal[:-3]
    return nal


class Sending(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.channel = MemoryChannel()
        self.sender = RtpSender(main_clip(), self.channel, clock=self.clock, random=Random(3), cname="x")

    def test_pace(self) -> None:
        """Fifteen pictures leave in a second, 6000 ticks apart, each ended by its marker, sequence without a gap."""
        first = self.sender.sequence
        self.sender.play()
        self.clock.pump([0.01] * 500)
        packets = self.channel.packets
        ends = [packet for packet in packets if packet.marker]
        self.assertEqual(len(ends), 75)
        self.assertEqual({(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(ends)}, {6000})
        self.assertEqual([packet.sequence for packet in packets], [(first + n) & 0xFFFF for n in range(len(packets))])
        self.assertTrue(all(len(packet.payload) <= 1400 for packet in packets))

    def test_clip_goes_round(self) -> None:
        """The NAL units that leave are the clip's own (but for noise), and after the last comes the first again."""
        self.sender.play()
        self.clock.pump([1 / 15] * 62)
        sent: list[bytes] = []
        for packet in self.channel.packets:
            for part in fragments(packet.payload):
                if part.first and not part.last:
                    indicator = packet.payload[0] & 0xE0
                    sent.append(bytes((indicator | part.kind,)) + part.data)
                elif part.first:
                    sent.append(part.data)
                else:
                    sent[-1] += part.data
        clip = [nal for unit in main_clip().units for nal in unit.nals]
        self.assertGreater(len(sent), len(clip) + 3)
        self.assertEqual([without_noise(nal) for nal in sent], (clip * 2)[: len(sent)])

    def test_noise(self) -> None:
        """A keyframe is not sent twice with the same bytes; of a frozen camera it is, and nothing else comes."""

        def keyframes(frozen: bool) -> list[str]:
            digests = []
            for seed in range(6):
                channel = MemoryChannel()
                sender = RtpSender(
                    main_clip(), channel, clock=self.clock, random=Random(seed), cname="c", frozen=frozen
                )
                sender.play()
                self.clock.pump([0.1] * 3)
                sender.stop()
                finder = KeyframeFinder("H264", parameter_sets=(main_clip().sps,))
                self.assertTrue([finder.packet(packet) for packet in channel.packets][-1])
                digests.append(finder.digest)
            return digests

        self.assertGreater(len(set(keyframes(frozen=False))), 4)
        self.assertEqual(len(set(keyframes(frozen=True))), 1)

    def test_reports(self) -> None:
        """A sender report comes with the first picture and then every five seconds."""
        self.sender.play()
        self.clock.pump([0.05] * 220)
        self.assertEqual([packet_types(data)[0] for data in self.channel.reports], [SENDER_REPORT] * 3)

    def test_pause_keeps_the_place(self) -> None:
        """After a pause the next picture follows the last, with sequence and timestamp running on."""
        self.sender.play()
        self.clock.pump([1 / 15] * 5)
        before = self.channel.packets[-1]
        self.sender.pause()
        self.clock.advance(10)
        self.assertIs(self.channel.packets[-1], before)
        count = len(self.channel.packets)
        self.sender.play()
        self.clock.advance(0)
        after = self.channel.packets[count]
        self.assertEqual((after.sequence - before.sequence) & 0xFFFF, 1)
        self.assertEqual((after.timestamp - before.timestamp) & 0xFFFFFFFF, 6000)

    def test_full_channel(self) -> None:
        """While the channel is full pictures are left out, and the stream goes on with a keyframe."""
        self.sender.play()
        self.clock.advance(0)
        self.channel.ready = False
        self.clock.pump([1 / 15] * 3)
        count = len(self.channel.packets)
        self.channel.ready = True
        self.clock.pump([1 / 15] * 15)
        self.assertEqual(fragments(self.channel.packets[count].payload)[0].kind, 7)
        self.assertEqual(self.sender.pictures, 19 - 14)

    def test_no_flood(self) -> None:
        """After a long standstill the stream goes on from now, at most a second is made up for."""
        self.sender.play()
        self.clock.advance(0)
        self.clock.advance(3600)
        self.assertLess(self.sender.pictures, 20)
        self.clock.advance(-7200)
        pictures = self.sender.pictures
        self.clock.pump([7200, 0.1])
        self.assertLess(self.sender.pictures - pictures, 20)

    def test_stop(self) -> None:
        """Stopping says BYE only after something was sent, and leaves no timer."""
        self.sender.stop()
        self.assertEqual(self.channel.reports, [])
        self.sender.play()
        self.clock.advance(0)
        self.sender.stop()
        self.assertIn(GOODBYE, packet_types(self.channel.reports[-1]))
        self.assertEqual(self.clock.getDelayedCalls(), [])
