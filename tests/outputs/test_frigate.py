"""Frigate's configuration: what it says of a camera, how secrets are spelled, and that no version refuses it."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, MAIN, NAME, SUB, TAGS
from tests.outputs.frigate_rules import faults, for_ffmpeg, substituted
from twisted_detector.model import Camera, Login, Secret
from twisted_detector.outputs.frigate.document import FrigateOptions, build, configuration, fit_version
from twisted_detector.outputs.stream_choice import StreamDocument

MINORS = (14, 15, 16, 17, 18)


def built(camera: Camera = CAMERA, login: Login | None = None, **options: object) -> StreamDocument:
    logins = {camera.id: login} if login is not None else {}
    return build([camera], logins, FrigateOptions(**options), tags=TAGS)  # type: ignore[arg-type]


def refused(configuration: object, minor: int, environment: dict[str, str] | None = None) -> list[str]:
    return faults(configuration, minor=minor, environment=environment)


class Blocks(SynchronousTestCase):
    def test_two_streams(self) -> None:
        """The main stream is recorded, the sub stream looked at in its own size; the rest is left to the user."""
        block = built().entries[NAME]
        self.assertEqual(
            block,
            {
                "enabled": True,
                "ffmpeg": {
                    "inputs": [
                        {"path": MAIN.url, "roles": ["record"]},
                        {"path": SUB.url, "roles": ["detect"]},
                    ]
                },
                "detect": {"enabled": True, "fps": 5, "width": 640, "height": 360},
                "objects": {"track": ["fire", "smoke", "person"]},
                "friendly_name": "Front door",
            },
        )

    def test_one_stream(self) -> None:
        """A camera with one stream gives both roles to it."""
        block = built(replace(CAMERA, streams=(replace(SUB, fps=2.4),))).entries[NAME]
        self.assertEqual([one["roles"] for one in block["ffmpeg"]["inputs"]], [["detect", "record"]])
        self.assertEqual(block["detect"]["fps"], 2)

    def test_every_version_takes_it(self) -> None:
        """No version from 0.14 to 0.18 refuses what is built for it, with logins or without, plain or published."""
        strange = replace(MAIN, url="rtsp://10.0.0.9/a{1}b@c?user=x&password=y{z}")
        camera = replace(
            CAMERA,
            streams=(strange, SUB),
            name="{door}",
            capabilities=("ptz",),
            onvif_url="http://10.0.0.9:8000/onvif/device_service",
        )
        logins = (None, Login("admin", Secret("p{1}@:/ %")), Login("me@home", Secret("{}")))
        for minor in MINORS:
            for login in logins:
                for publish in (False, True):
                    told = built(camera, login, version=f"0.{minor}", publish_credentials=publish)
                    values = {name: secret.reveal() for name, secret in told.variables.items()}
                    self.assertEqual(refused(configuration(told.entries), minor, values), [], (minor, publish))

    def test_the_predecessors_block_is_refused(self) -> None:
        """The rules that judge here do refuse what the predecessor wrote: clips, description, a role given twice."""
        old = {
            "cameras": {
                NAME: {
                    "ffmpeg": {
                        "inputs": [
                            {"path": "rtsp://h/1", "roles": ["detect", "clips"]},
                            {"path": "rtsp://h/2", "roles": ["detect"]},
                        ]
                    },
                    "description": "x",
                    "friendly_name": "y",
                }
            }
        }
        for minor in MINORS:
            told = "\n".join(refused(old, minor, {}))
            for words in ("description", "'audio', 'record' or 'detect'", "only be used once"):
                self.assertIn(words, told)
            self.assertEqual("friendly_name" in told, minor < 17)

    def test_names_for_people(self) -> None:
        """friendly_name is for 0.17 and later: as configured, and as a running Frigate says of itself."""
        self.assertNotIn("friendly_name", built(version="0.16").entries[NAME])
        entries = built(version="0.18").entries
        for version, there in (("0.16.4-2a8a4b5", False), ("0.17.0", True), ("0.18.0-beta1", True), ("1.0.0", True)):
            self.assertEqual("friendly_name" in fit_version(entries, version)[NAME], there, version)
        shown = built(replace(CAMERA, name="a\x1b[31m" + "b" * 200)).entries[NAME]["friendly_name"]
        self.assertEqual((len(shown), shown[:6]), (80, "a[31mb"))

    def test_a_new_name_changes_no_key(self) -> None:
        """A camera that is renamed keeps its name in Frigate; only what people read changes."""
        before, after = built().entries, built(replace(CAMERA, name="Back door")).entries
        self.assertEqual(list(before), list(after))
        self.assertEqual({key for key in before[NAME] if before[NAME][key] != after[NAME][key]}, {"friendly_name"})

    def test_never_proved(self) -> None:
        """A camera of which no stream was ever proved is not told; one that is away for now is."""
        self.assertEqual(built(replace(CAMERA, last_validated=0.0)).entries, {})
        self.assertEqual(built().entries, built(replace(CAMERA, reason="away")).entries)

    def test_ptz(self) -> None:
        """A camera that turns gets an onvif block, host and port as they are, the login by variables of its own."""
        camera = replace(CAMERA, capabilities=("ptz",), onvif_url="http://10.0.0.9:8000/onvif/device_service")
        told = built(camera, Login("admin", Secret("a b")))
        prefix = f"FRIGATE_LOGIN_{TAGS.tag_login(Login('admin', Secret('a b'))).upper()}_PLAIN"
        self.assertEqual(
            told.entries[NAME]["onvif"],
            {"host": "10.0.0.9", "port": 8000, "user": f"{{{prefix}_USER}}", "password": f"{{{prefix}_PASSWORD}}"},
        )
        self.assertEqual(told.variables[f"{prefix}_PASSWORD"].reveal(), "a b")
        # Braces: no spelling outside of a URL is right for every version, so it is not told how to turn.
        self.assertNotIn("onvif", built(camera, Login("admin", Secret("a{x}b"))).entries[NAME])


class Secrets(SynchronousTestCase):
    def reaches_ffmpeg(self, login: Login, *, publish: bool, minor: int) -> str:
        told = built(login=login, publish_credentials=publish)
        values = {name: secret.reveal() for name, secret in told.variables.items()}
        return for_ffmpeg(substituted(told.entries[NAME]["ffmpeg"]["inputs"][0]["path"], values, minor=minor))

    def test_the_password_that_ffmpeg_gets_is_the_password(self) -> None:
        """Whatever is in name and password, what Frigate makes of it is the URL with both percent-encoded once."""
        wanted = {
            ("admin", "simple"): "admin:simple",
            ("admin", "p@s/s:w#r?d"): "admin:p%40s%2Fs%3Aw%23r%3Fd",
            ("admin", "100%25"): "admin:100%2525",
            ("admin", "{x}"): "%61dmin:%7Bx%7D",
            ("admin", "a{{b"): "%61dmin:a%7B%7Bb",
            ("ad{m}in", "x"): "ad%7Bm%7Din:x",
            ("admin", "two words"): "%61dmin:two%20words",
            ("me@home", "a{b}@"): "me%40home:a%7Bb%7D%40",
            ("user.name", "ü"): "user.name:%C3%BC",
            ("admin", "ü+"): "admin:%C3%BC%2B",
        }
        for (name, password), expected in wanted.items():
            for publish in (False, True):
                for minor in MINORS:
                    url = self.reaches_ffmpeg(Login(name, Secret(password)), publish=publish, minor=minor)
                    self.assertEqual(url, f"rtsp://{expected}@10.0.0.9:554/main", (name, password, publish, minor))

    def test_nothing_secret_is_written(self) -> None:
        """Without PUBLISH_CREDENTIALS neither a login nor a password in a path stands in the configuration."""
        camera = replace(
            CAMERA, streams=(replace(MAIN, url="rtsp://10.0.0.9/user=admin_password=hunter2_channel=1"), SUB)
        )
        told = built(camera, Login("boss", Secret("hunter3")))
        text = repr(configuration(told.entries))
        for word_ in ("hunter2", "hunter3", "boss"):
            self.assertNotIn(word_, text)
        (path,) = [value.reveal() for name, value in told.variables.items() if name.startswith("FRIGATE_PATH_")]
        self.assertIn("hunter2", path)
        self.assertNotIn("hunter", repr(told))

    def test_a_new_camera_brings_no_new_name(self) -> None:
        """Variables are named by the login: a camera whose login is known from another needs none that is new."""
        other = replace(CAMERA, id="024000000002", device_id="024000000002")
        boss, guest = Login("boss", Secret("hunter3")), Login("boss", Secret("hunter4"))
        names = [
            set(build([CAMERA, other], {NAME: boss, other.id: login}, FrigateOptions(), tags=TAGS).variables)
            for login in (boss, guest)
        ]
        self.assertEqual([2, 4], [len(one) for one in names])
        self.assertLess(names[0], names[1])

    def test_published(self) -> None:
        """With it, the predecessor's behaviour is back: the login stands in the URL, and there are no variables."""
        told = built(login=Login("boss", Secret("hunter3")), publish_credentials=True)
        self.assertEqual(told.entries[NAME]["ffmpeg"]["inputs"][1]["path"], "rtsp://boss:hunter3@10.0.0.9:554/sub")
        self.assertEqual(told.variables, {})
