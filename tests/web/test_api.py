"""The API, asked without a socket: what it answers, what it refuses and why, and that no secret is in any of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import CANARY, Pictures, WebSite, camera, frames
from twisted_detector.errors import Unreachable
from twisted_detector.events import CameraOffline
from twisted_detector.model import Status
from twisted_detector.model.cameras import Picture
from twisted_detector.model.history import Segment, StateChange, WeekSummary
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.fleet import fleet_document
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.store.timeline import in_segments, pieces
from twisted_detector.web.api import schemas
from twisted_detector.web.api.openapi import document
from twisted_detector.web.api.routes import ROUTES

API = "/api/v1"
JPEG = b"\xff\xd8\xff\xe0picture"


def picture(camera_id: str, media_type: str = "image/jpeg") -> Picture:
    return Picture(camera_id, JPEG, media_type, 1234.5, "snapshot")


class ApiCase(SynchronousTestCase):
    pictures: Pictures | None = None

    def setUp(self) -> None:
        cameras = (camera(1), camera(2, status=Status.OFFLINE, reason="no answer"), camera(3))
        self.web = WebSite(*cameras, pictures=self.pictures)
        self.one = f"{API}/cameras/020000000001"

    def get(self, path: str, **headers: str) -> Any:
        got = self.web.ask("GET", path, **headers)
        self.assertEqual(200, got.status, got.body)
        return got.json

    def refused(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> str:
        got = self.web.ask(method, path, body, **more)
        self.assertEqual(status, got.status, got.body)
        self.assertEqual("application/problem+json", got.headers["content-type"])
        self.assertEqual(status, got.json["status"])
        self.assertNotIn("Traceback", got.raw.decode("latin-1"))
        return str(got.json["detail"])


class Past:
    """A history that is what it is told to be; None: the disk cannot be read.

    :ivar asked: (camera, seconds) of each look at the disk. :ivar weeks: number of looks at memory.
    """

    dropped: Mapping[str, int] = MappingProxyType({})

    def __init__(self, changes: list[StateChange] | None) -> None:
        self.changes = changes
        self.asked: list[tuple[str, float]] = []
        self.weeks = 0

    def week(self, camera_id: str) -> WeekSummary | None:
        self.weeks += 1
        if camera_id != "020000000001":
            return None
        return WeekSummary(4000.0, 3999.9999, 2, 1500.0, 60.0, 17, "uoft" * 21)

    async def segments(self, camera_id: str, begin: float, end: float) -> list[Segment] | None:
        self.asked.append((camera_id, end - begin))
        return None if self.changes is None else in_segments(pieces(self.changes, [], begin, end))


class HistoryTests(ApiCase):
    def begin(self, changes: list[StateChange] | None) -> None:
        self.past = Past(changes)
        self.web = WebSite(camera(1), camera(2), history=self.past)

    def test_segments(self) -> None:
        """The days that are asked for, without a hole: state, reason and code of each segment, and the sums."""
        told = [("offline", "no answer", ""), ("stream_error", "no RTP", "no_rtp"), ("online", "", "")]
        self.begin([StateChange(n, "x", 1000.0 + 200 * n, *one) for n, one in enumerate(told)])
        found = self.get(f"{self.one}/history?days=2")
        self.assertEqual([("020000000001", 2 * 86_400.0)], self.past.asked)
        self.assertEqual(["unobserved", "offline", "trouble", "online"], [one["state"] for one in found["segments"]])
        self.assertEqual("1970-01-01T00:20:00.000Z", found["segments"][2]["from"])
        self.assertEqual(("no RTP", "no_rtp", 1), tuple(found["segments"][2][n] for n in ("reason", "code", "merged")))
        self.assertEqual(
            {"offline": 200.0, "trouble": 200.0, "online": 600.0, "unobserved": 171_800.0}, found["seconds"]
        )
        self.assertEqual(0.6, found["availability"])

    def test_days(self) -> None:
        """A week when nobody says how many days; 400 at most."""
        self.begin([])
        self.assertIsNone(self.get(f"{self.one}/history")["availability"])
        self.assertEqual([("020000000001", 7 * 86_400.0)], self.past.asked)
        for days in ("0", "401", "-1", "x", "1e9"):
            self.refused(400, "GET", f"{self.one}/history?days={days}")
        self.refused(404, "GET", f"{API}/cameras/none/history")

    def test_unreadable(self) -> None:
        """Where the disk gives nothing, and where none is kept, it says so."""
        self.begin(None)
        self.assertIn("cannot be read", self.refused(503, "GET", f"{self.one}/history"))
        self.web = WebSite(camera(1))
        self.assertIn("no history", self.refused(404, "GET", f"{self.one}/history"))
        self.assertIsNone(self.get(f"{API}/cameras?fields=brief")["cameras"][0]["week"])

    def test_cards(self) -> None:
        """The week of every card comes with the list of cameras, from memory: nothing is read for it."""
        self.begin([])
        cards = self.get(f"{API}/cameras?fields=brief")["cameras"]
        self.assertEqual(
            {"availability": 0.99999, "observed_s": 4000, "failures": 2, "last_offline": "1970-01-01T00:25:00.000Z",
             "last_offline_s": 60, "first_cell": 17, "cells": "uoft" * 21}, cards[0]["week"],
        )  # fmt: skip
        self.assertIsNone(cards[1]["week"])
        self.assertEqual(([], 2), (self.past.asked, self.past.weeks))

    def test_live(self) -> None:
        """A change of state brings the week with it to the open pages, once, however many events there were."""
        self.begin([])
        line = self.web.stream()
        for _ in range(3):
            self.web.activity.handle(CameraOffline(1.0, camera(1), "no answer"))
        self.web.clock.advance(1.0)
        told = [frame for frame in frames(line) if frame[0] == "camera"]
        self.assertEqual([84], [len(frame[2]["week"]["cells"]) for frame in told])
        self.assertEqual(([], 1), (self.past.asked, self.past.weeks))


class CamerasTests(ApiCase):
    def test_some_at_a_time(self) -> None:
        """Cameras come ordered by id, as many as asked for, and `next` leads through all of them."""
        first = self.get(f"{API}/cameras?limit=2")
        self.assertEqual(["020000000001", "020000000002"], [one["id"] for one in first["cameras"]])
        self.assertEqual((3, "020000000002"), (first["total"], first["next"]))
        rest = self.get(f"{API}/cameras?limit=2&after={first['next']}")
        self.assertEqual((["020000000003"], None), ([one["id"] for one in rest["cameras"]], rest["next"]))

    def test_by_status(self) -> None:
        """Only those of one status, with its reason in words."""
        found = self.get(f"{API}/cameras?status=offline")
        self.assertEqual([("020000000002", "no answer")], [(one["id"], one["reason"]) for one in found["cameras"]])
        self.assertEqual(1, found["total"])

    def test_one(self) -> None:
        """One camera has the contract's fields, its state, where it has been and what happened to it."""
        found = self.get(self.one)
        self.assertEqual("rtsp://10.0.0.1:554/one", found["primary_rtsp_url"])
        self.assertEqual(["10.0.0.99", "10.0.0.1"], [place["ip"] for place in found["addresses"]])
        self.assertEqual(("online", 1, []), (found["status"], found["moves"], found["activity"]))

    def test_other_nodes(self) -> None:
        """Which other nodes have to do with it, where there are any."""
        names = ("owner", "owner_page", "adopted_at")
        self.assertEqual(["", "", ""], [self.get(self.one)[name] for name in names])
        self.web.answer("whereabouts", {"owner": "south", "owner_page": "http://s/", "adopted_at": "west"})
        self.assertEqual(["south", "http://s/", "west"], [self.get(self.one)[name] for name in names])
        self.assertEqual(("whereabouts", {"camera_id": "020000000001"}), self.web.asked[0])

    def test_brief(self) -> None:
        """A card has a fraction of the whole."""
        brief = self.web.ask("GET", f"{API}/cameras?fields=brief").body
        whole = self.web.ask("GET", f"{API}/cameras").body
        self.assertLess(len(brief), len(whole) * 0.75)
        self.assertNotIn("evidence", json.loads(brief)["cameras"][0])

    def test_no_such_camera(self) -> None:
        """An unknown id, and what cannot be one, is not found; nothing is looked up on a disk."""
        for name in ("020000000009", "..%2F..%2Fetc%2Fpasswd", "%00", "a" * 65, "%3Cscript%3E", "ABC"):
            self.refused(404, "GET", f"{API}/cameras/{name}")

    def test_wrong_parameters(self) -> None:
        """A parameter of the wrong kind, out of bounds, twice or unknown is refused by name."""
        for query in ("limit=0", "limit=x", "limit=1001", "limit=1e9", "limit=1&limit=2", "nope=1", "status=alive",
                      "after=%3C", "fields=", "limit=%ff", "&".join(["limit=1"] * 40)):  # fmt: skip
            self.assertTrue(self.refused(400, "GET", f"{API}/cameras?{query}"))

    def test_no_secret(self) -> None:
        """A login that hides in any URL of a camera is in no answer."""
        for path in ("/cameras", "/cameras?fields=brief", "/cameras/020000000001"):
            self.assertNotIn(CANARY, self.web.ask("GET", API + path).raw.decode())


class ActionsTests(ApiCase):
    def test_commands(self) -> None:
        """Each command reaches the router with its fields."""
        self.web.ask("POST", f"{self.one}/check")
        self.web.ask("POST", f"{self.one}/forget", {})
        self.web.ask("POST", f"{API}/rescan")
        self.web.ask("POST", f"{API}/probe", {"address": "10.0.0.9"})
        self.assertEqual(
            [
                ("check", {"camera_id": "020000000001"}),
                ("forget", {"camera_id": "020000000001"}),
                ("rescan", {}),
                ("probe", {"address": "10.0.0.9"}),
            ],
            self.web.asked,
        )

    def test_adoption(self) -> None:
        """Adopting and blocking are the router's to do, with the same names and fields as everywhere; so is a no."""
        for name in ("adopt", "unadopt", "block"):
            self.web.ask("POST", f"{self.one}/{name}")
            self.refused(404, "POST", f"{API}/cameras/020000000009/{name}")
        self.web.ask("POST", f"{API}/unblock", {"device": "02:00:00:00:00:01"})
        self.assertEqual({"devices": []}, self.get(f"{API}/blocked"))
        one = {"camera_id": "020000000001"}
        asked = [("adopt", one), ("unadopt", one), ("block", one), ("unblock", {"device": "02:00:00:00:00:01"})]
        self.assertEqual([*asked, ("blocked", {})], self.web.asked)
        self.web.refuse("unadopt", "the configuration lists it")
        self.assertIn("lists it", self.refused(400, "POST", f"{self.one}/unadopt"))
        self.assertEqual(("no", "device"), (self.get(self.one)["adopted"], self.get(self.one)["name_source"]))

    def test_bodies(self) -> None:
        """A body that is not what the table says is refused with the reason, and nobody is asked."""
        for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 5000, {}, {"address": 1}, {"address": ""},
                     {"address": None}, {"address": ["10.0.0.1"]}, {"address": "x" * 65}, {"address": "a", "more": 1},
                     b'{"address": "\\ud800"}'):  # fmt: skip
            self.assertTrue(self.refused(400, "POST", f"{API}/probe", body))
        self.assertEqual([], self.web.asked)

    def test_the_desk_refuses(self) -> None:
        """What the router refuses is told as 400, what nobody answers as 404, what fails as 500 without its reason."""
        self.web.refuse("why", "not an IP address")
        self.assertIn("not an IP address", self.refused(400, "GET", f"{API}/why?address=x"))
        self.assertIn("export", self.refused(404, "GET", f"{API}/export/frigate"))
        self.web.answer("doctor", ZeroDivisionError(CANARY))
        self.assertNotIn(CANARY, self.refused(500, "GET", f"{API}/doctor"))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_too_slow(self) -> None:
        """What is not answered in half a minute is given up, and told so."""
        cancelled: list[Any] = []

        async def never(_: Any) -> Any:
            await Deferred(cancelled.append)

        self.web.router.handlers["doctor"] = never
        line = self.web.connect()
        line.protocol.dataReceived(b"GET /api/v1/doctor HTTP/1.1\r\nhost: localhost\r\n\r\n")
        self.web.clock.advance(31)
        self.assertIn(b"504", line.value().splitlines()[0])
        self.assertEqual(1, len(cancelled))

    def test_gone_meanwhile(self) -> None:
        """Who hangs up before the answer takes the question back."""
        cancelled: list[Any] = []

        async def never(_: Any) -> Any:
            await Deferred(cancelled.append)

        self.web.router.handlers["doctor"] = never
        line = self.web.connect()
        line.protocol.dataReceived(b"GET /api/v1/doctor HTTP/1.1\r\nhost: localhost\r\n\r\n")
        line.lost()
        self.assertEqual(1, len(cancelled))

    def test_export(self) -> None:
        """A configuration comes with its type and a file name that can do no harm; markup never does."""
        self.web.answer(
            "export", {"text": "cameras: {}", "media_type": "application/yaml", "filename": "../a\r\nb.yml"}
        )
        got = self.web.ask("GET", f"{API}/export/frigate")
        self.assertEqual((200, b"cameras: {}", "application/yaml"), (got.status, got.body, got.headers["content-type"]))
        self.assertEqual('attachment; filename=".._a_b.yml"', got.headers["content-disposition"])
        self.web.answer("export", {"text": "<script>", "media_type": "text/html", "filename": "a.html"})
        self.assertEqual("text/plain", self.web.ask("GET", f"{API}/export/csv").headers["content-type"])
        self.refused(404, "GET", f"{API}/export/../../etc/passwd")
        self.refused(404, "GET", f"{API}/export/yaml")


class PicturelessTests(ApiCase):
    def test_nobody(self) -> None:
        """Without anybody who takes pictures, that is told."""
        self.assertIn("takes no pictures", self.refused(404, "GET", f"{self.one}/picture"))


class PicturesTests(ApiCase):
    def setUp(self) -> None:
        self.pictures = Pictures()
        super().setUp()

    def test_none(self) -> None:
        """Before the first picture, the reason is told."""
        self.assertIn("no picture", self.refused(404, "GET", f"{self.one}/picture"))
        self.pictures.problem = Unreachable()
        self.assertIn("gave no picture", self.refused(404, "POST", f"{self.one}/picture"))

    def test_a_picture(self) -> None:
        """The bytes come in a sandbox with their type; who has them already is told so."""
        self.pictures.known["020000000001"] = picture("020000000001")
        got = self.web.ask("GET", f"{self.one}/picture")
        self.assertEqual((200, JPEG, "image/jpeg"), (got.status, got.body, got.headers["content-type"]))
        self.assertIn("sandbox", got.headers["content-security-policy"])
        self.assertEqual("nosniff", got.headers["x-content-type-options"])
        again = self.web.ask("GET", f"{self.one}/picture", if_none_match=got.headers["etag"])
        self.assertEqual((304, b""), (again.status, again.body))
        self.assertEqual("1234500", self.get(self.one)["picture"]["version"])
        taken = self.web.ask("POST", f"{self.one}/picture").json
        self.assertEqual("snapshot", taken["source"])

    def test_no_markup(self) -> None:
        """What calls itself a picture but is markup is not given to a browser."""
        self.pictures.known["020000000001"] = picture("020000000001", "image/svg+xml")
        self.refused(404, "GET", f"{self.one}/picture")


class OperationsTests(ApiCase):
    def test_lives(self) -> None:
        """Whether it lives anybody may know, also where a token is needed; whether it is ready likewise."""
        site = WebSite(token="long-enough-a-token")
        self.assertEqual((200, b"ok\n"), (site.ask("GET", "/healthz").status, site.ask("GET", "/healthz").body))
        site.found = {"sweeps": 1}
        self.assertEqual(200, site.ask("GET", "/readyz").status)

    def test_not_ready(self) -> None:
        """Until it has its MQTT connection and has looked once it is not ready, and says what is missing."""
        site = WebSite()
        got = site.ask("GET", "/readyz")
        self.assertEqual((503, b"no sweep has ended yet\n"), (got.status, got.body))
        site.found, site.mqtt = {"sweeps": 3}, {"state": "reconnecting"}
        self.assertEqual(
            (503, b"MQTT is not connected\n"), (site.ask("GET", "/readyz").status, site.ask("GET", "/readyz").body)
        )

    def test_metrics(self) -> None:
        """The figures are for who has the token, in Prometheus' own media type."""
        site = WebSite(token="long-enough-a-token")
        self.assertEqual(401, site.ask("GET", "/metrics").status)
        got = site.ask("GET", "/metrics", authorization="Bearer long-enough-a-token")
        self.assertEqual((200, b"camdetect_up 1\n"), (got.status, got.body))
        self.assertEqual("text/plain; version=0.0.4", got.headers["content-type"])


class LargeTests(SynchronousTestCase):
    def test_octets_of_a_page(self) -> None:
        """An answer ends before it is too large, though fewer cameras are in it than were asked for; none is lost."""
        web = WebSite(*(camera(number, name="x" * 200_000) for number in range(1, 13)))
        found: list[str] = []
        following: str | None = ""
        pages = 0
        while following is not None:
            got = web.ask("GET", f"{API}/cameras?limit=12&after={following}" if following else f"{API}/cameras")
            self.assertLess(len(got.body), 1_100_000)
            found += [one["id"] for one in got.json["cameras"]]
            following, pages = got.json["next"], pages + 1
        self.assertEqual((found, pages), ([f"0200000000{number:02x}" for number in range(1, 13)], 3))


class DocumentTests(ApiCase):
    def test_every_route(self) -> None:
        """The OpenAPI document has every route with its own name, and the served one is that document."""
        told = document(ROUTES, "1.2.3")
        operations = [one for path in told["paths"].values() for one in path.values()]
        self.assertEqual(len(ROUTES), len(operations))
        self.assertEqual(len(ROUTES), len({one["operationId"] for one in operations}))
        self.assertEqual(json.loads(json.dumps(told)), self.get(f"{API}/openapi.json"))

    def test_version(self) -> None:
        """The version of the daemon is only for who has the token; all else in the document is for anybody."""
        site = WebSite(token="long-enough-a-token")
        got = site.ask("GET", f"{API}/openapi.json").json
        self.assertEqual(got, json.loads(json.dumps(document(ROUTES, ""))))
        self.assertNotIn("1.2.3", json.dumps(got))
        wrong = site.ask("GET", f"{API}/openapi.json", authorization="Bearer another-wrong-token")
        self.assertEqual((wrong.status, wrong.json["info"]["version"]), (200, ""))
        got = site.ask("GET", f"{API}/openapi.json", authorization="Bearer long-enough-a-token").json
        self.assertEqual("1.2.3", got["info"]["version"])

    def test_answers_are_as_told(self) -> None:
        """Each JSON answer has the members that its schema requires."""
        self.web = WebSite(camera(1), history=Past([]))
        self.web.answer("status", {"status": "online"})
        self.web.answer("decided", {"camera_id": "020000000001", "version": 0, "values": {}})
        self.web.answer("add", {"job": "1", "target": "a", "done": True, "steps": [], "camera_ids": []})
        self.web.answer("networks", {"networks": [], "still": ""})
        self.web.answer("notices", {"notices": [], "ways": []})
        self.web.answer("first-run", {"open": False, "state": "finished"})
        self.web.answer("settings", {"settings": {}, "restarting": False, "fault": ""})
        fleet = fleet_document(SiteRecord(Election("node1", "n1")), instance="n1")
        self.web.answer("fleet", fleet)
        node = next(route for route in ROUTES if route.path == "/fleet").answer
        assert node is not None
        told = node["properties"]["nodes"]["items"]["required"]
        self.assertEqual(sorted(told), sorted(fleet["nodes"][0]))
        self.web.history.sample()
        for route in ROUTES:
            if route.method == "GET" and route.answer and route.handler not in ("why", "doctor"):
                path = route.path.replace("{camera_id}", "020000000001").replace("{job}", "1")
                answer = self.get(API + path)
                for name in route.answer.get("required", ()):
                    self.assertIn(name, answer, route.path)
        card = self.get(f"{API}/cameras?fields=brief")["cameras"][0]
        self.assertLessEqual(set(schemas.BRIEF["required"]), set(card))

    def test_camera_of_another_node(self) -> None:
        """Where several nodes share the cameras, a command for one that is not known here is passed on."""
        self.refused(404, "POST", f"{API}/cameras/far/check")
        self.web.answer("fleet", {})
        self.web.answer("check", {"camera_id": "far", "carried_out_by": "south"})
        self.assertEqual("south", self.web.ask("POST", f"{API}/cameras/far/check").json["carried_out_by"])
        self.refused(404, "GET", f"{API}/cameras/far")

    def test_methods(self) -> None:
        """A method that a path does not take is told with those that it takes; HEAD is GET without the body."""
        got = self.web.ask("POST", f"{API}/cameras")
        self.assertEqual((405, "GET, HEAD"), (got.status, got.headers["allow"]))
        head = self.web.ask("HEAD", f"{API}/cameras")
        self.assertEqual((200, b""), (head.status, head.body))
        self.assertEqual(200, self.web.ask("HEAD", f"{API}/events").status)
        self.assertEqual(405, self.web.ask("BREW", "/").status)
        self.refused(404, "GET", "/api/v2/cameras")
