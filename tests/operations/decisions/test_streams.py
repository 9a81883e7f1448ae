"""The command ``stream``: what is taken, what is refused at the field, and that the camera is asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.detector.case import HERE, ID
from tests.facts import A, inspection, sighting, stream
from tests.operations.deciding_case import DecidingCase
from tests.operations.networks.case import networks_of
from twisted_detector.config.config import Config
from twisted_detector.model import Adoption, Status
from twisted_detector.model.decisions import OwnStreams
from twisted_detector.operations.decisions.commands import DescriptionCommands
from twisted_detector.operations.decisions.streams import MAX_EXPECTED, GivenStreams, StreamCommands
from twisted_detector.operations.logins.origins import Origins

MAIN, SUB = f"rtsp://{HERE}:5566/live/1", f"rtsp://{HERE}:5566/live/2"
CANARY = "canary-in-a-url"


class StreamCase(DecidingCase):
    def own_streams(self, camera_id: str, address: str) -> OwnStreams:
        return self.given.of(camera_id, address)

    def join(self) -> None:
        super().join()
        self.names: dict[str, Sequence[str]] = {"cam.lan": (HERE, "fe80::1"), "localhost": ("127.0.0.1",)}

        async def resolve(name: str) -> Sequence[str]:
            return self.names.get(name, ())

        self.given = GivenStreams(self.book)
        origins = Origins(
            self.registry, self.book, budget=self.budget, logins=self.configured, networks=networks_of(Config())
        )
        self.streams = StreamCommands(
            self.registry,
            self.book,
            decided=DescriptionCommands(self.clock, self.registry, self.book, origins).decided,
            check=self.detector.check,
            explain_refusal=self.detector.explain_refusal,
            resolve=resolve,
            prepare=self.configured.prepare,
        )
        self.handlers["stream"] = self.streams.stream

    def setUp(self) -> None:
        super().setUp()
        self.given = GivenStreams(self.book)

    def give(self, **fields: Any) -> dict[str, Any]:
        answer = self.ask("stream", camera_id=ID, **fields)
        self.clock.pump([0.5] * 4)
        return answer

    def urls(self) -> list[str]:
        return [one.url for one in self.camera().streams]


class GivingTests(StreamCase):
    def test_given(self) -> None:
        """The answer has both, the file keeps them for whatever address, and the camera is asked at once."""
        values = self.give(main=MAIN, sub=SUB)["values"]
        self.assertEqual({"value": MAIN, "source": "page"}, values["main"])
        self.assertEqual({"value": SUB, "source": "page"}, values["sub"])
        self.assertIn('main = "rtsp://camera:5566/live/1"', self.text())
        self.assertEqual([HERE], [str(one) for one, _ in self.inspector.calls])
        self.assertEqual([MAIN, SUB], self.urls())
        self.assertEqual([(MAIN, None), (SUB, None)], self.validator.validated[-2:])

    def test_taken_back(self) -> None:
        """ "" leaves one to camdetect again, the other stays; the camera is asked anew."""
        self.give(main=MAIN, sub=SUB)
        answer = self.give(main="")
        self.assertEqual({"value": "", "source": ""}, answer["values"]["main"])
        self.assertEqual([f"rtsp://{HERE}:554/main", SUB], self.urls())
        self.give(sub="")
        self.assertEqual([f"rtsp://{HERE}:554/main"], self.urls())
        self.assertEqual(3, len(self.inspector.calls))

    def test_edited_by_hand(self) -> None:
        """What a person writes into the file is used as soon as it is read."""
        self.edit(f'[camera.{ID}]\nmain = "rtsps://camera:322/live/3"\n')
        self.clock.pump([0.5] * 4)
        self.assertEqual([f"rtsps://{HERE}:322/live/3"], self.urls()[:1])

    def test_login(self) -> None:
        """A login in the URL is taken out of it, made ready, kept for the camera and used; it stands nowhere else."""
        self.prepared.clear()
        answer = self.give(main=f"rtsp://viewer:{CANARY}%40@{HERE}:5566/live/1")
        self.assertEqual({"value": {"user": "viewer"}, "source": "page"}, answer["values"]["login"])
        self.assertEqual(MAIN, answer["values"]["main"]["value"])
        self.assertIn(f'login = "viewer:{CANARY}@"', self.text())
        self.assertNotIn(CANARY, repr((answer, self.camera(), self.observed)))
        self.assertEqual((["viewer"], Adoption.PERSON), (self.prepared, self.camera().adopted))
        self.assertEqual(["viewer"], [one.name for one in self.budget.allowed_logins(self.candidate(), 0.0)])

    def test_names_of_the_camera(self) -> None:
        """The host may be the camera's address, its host's name, and the word that stands for it."""
        for host in (HERE, "cam.lan", "camera"):
            self.assertEqual(MAIN, self.give(main=f"rtsp://{host}:5566/live/1")["values"]["main"]["value"], host)

    def test_refused_at_the_field(self) -> None:
        """Each names its field and what is wrong; nothing is kept, and no password is told."""
        other = f"this camera is at {HERE}"
        for field, url, *words in (
            ("main", "rtsp://10.0.0.6:554/a", "is on 10.0.0.6", other),
            ("sub", "rtsp://10.0.0.6:554/a", "is on 10.0.0.6", other),
            ("main", f"rtsp://u:{CANARY}@10.0.0.6/a", "is on 10.0.0.6", other),
            ("main", "rtsp://127.0.0.1/a", "is on 127.0.0.1: that is this machine itself"),
            ("main", "rtsp://localhost/a", "is on 127.0.0.1: that is this machine itself"),
            ("main", "rtsp://nobody.lan/a", "nobody.lan is not an address, and no host has that name"),
            ("main", f"rtsp://{HERE}:37777/a", "port 37777 is not an RTSP port"),
            ("main", f"http://{HERE}/a", "must be like rtsp://"),
            ("main", 5, "must be text"),
            ("main", f"rtsp://us\x00er:{CANARY}@{HERE}/a", ""),
        ):
            told = self.refused("stream", camera_id=ID, **{field: url})
            self.assertTrue(told.startswith((f"{field}: ", "user: ")), told)
            for word in words:
                self.assertIn(word, told)
            self.assertNotIn(CANARY, told)
        self.assertEqual(("", []), (self.text(), self.inspector.calls))

    def test_two_logins(self) -> None:
        """A camera has one login: two that differ are refused."""
        told = self.refused("stream", camera_id=ID, main=f"rtsp://a:b@{HERE}/1", sub=f"rtsp://a:c@{HERE}/2")
        self.assertIn("sub: its login differs from that of main", told)

    def test_nothing_given(self) -> None:
        """Neither is a fault, as is a camera that is not there."""
        self.assertIn("one of main and sub", self.refused("stream", camera_id=ID))
        self.assertIn("no camera with that id", self.refused("stream", camera_id="x", main=MAIN))

    def test_version(self) -> None:
        """Who changes what was changed meanwhile is told; nothing is lost."""
        version = self.give(main=MAIN)["version"]
        self.assertIn("version: it was changed meanwhile", self.refused("stream", camera_id=ID, sub=SUB, version=0))
        self.give(sub=SUB, version=version)
        self.assertEqual([MAIN, SUB], self.urls())

    def test_disk_full(self) -> None:
        """What does not reach the disk did not happen."""
        self.is_full = True
        self.assertIn("no space left", self.refused("stream", camera_id=ID, main=MAIN))
        self.assertEqual([f"rtsp://{HERE}:554/main"], self.urls())

    def test_moved(self) -> None:
        """A camera at another address keeps them, at that address."""
        self.give(main=MAIN)
        self.neighbours.macs["10.0.0.77"] = A
        del self.neighbours.macs[HERE]
        self.inspector.answers["10.0.0.77"] = inspection("10.0.0.77", stream("10.0.0.77"))
        self.watcher.report(sighting("10.0.0.77", A, xaddrs=("http://10.0.0.77/o",)))
        self.clock.pump([1] * 20)
        self.assertEqual(("10.0.0.77", Status.ONLINE), (self.camera().address, self.camera().status))
        self.assertEqual("rtsp://10.0.0.77:5566/live/1", self.urls()[0])


class GivenTests(StreamCase):
    def test_expected(self) -> None:
        """What is expected at an address counts until it is not, and never before what was decided of a camera."""
        other = OwnStreams(sub=None, main=None)
        self.give(main=MAIN)
        decided = self.given.of(ID, HERE)
        expected = OwnStreams(sub=decided.main)
        self.given.expect(HERE, expected)
        self.assertEqual((decided, expected, other), tuple(self.given.of(*one) for one in _ASKED))
        self.given.expected(HERE)
        self.assertEqual(other, self.given.of("new", HERE))

    def test_bounded(self) -> None:
        """There are no more of them than jobs could leave."""
        expected = OwnStreams(main=None, sub=None)
        for number in range(MAX_EXPECTED + 5):
            self.given.expect(f"10.0.1.{number}", expected)
        self.assertEqual(MAX_EXPECTED, len(self.given))


_ASKED = ((ID, HERE), ("new", HERE), ("new", "10.0.0.9"))
