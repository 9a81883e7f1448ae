"""go2rtc's streams: names, sources, variables, and who is asked for the URL itself."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, MAIN, NAME, SUB, TAGS
from twisted_detector.model import Login, Secret, Stream
from twisted_detector.model.cameras import WSS_CAPABILITY
from twisted_detector.outputs.go2rtc.document import ALWAYS, NEVER, Go2rtcOptions, build, rotates

LOGIN = Login("admin", Secret("p@ss {1}"))
VARIABLE = f"CAMDETECT_LOGIN_{TAGS.tag_login(LOGIN).upper()}"


class Streams(SynchronousTestCase):
    def test_names_and_sources(self) -> None:
        """Main under the camera's name, sub with _sub; logins are variables whose values are percent-encoded."""
        told = build([CAMERA], {NAME: LOGIN}, Go2rtcOptions(), tags=TAGS)
        user = f"${{{VARIABLE}_USER}}:${{{VARIABLE}_PASSWORD}}@10.0.0.9:554"
        self.assertEqual(told.entries, {NAME: [f"rtsp://{user}/main"], f"{NAME}_sub": [f"rtsp://{user}/sub"]})
        values = {name: secret.reveal() for name, secret in told.variables.items()}
        self.assertEqual(values, {f"{VARIABLE}_USER": "admin", f"{VARIABLE}_PASSWORD": "p%40ss%20%7B1%7D"})

    def test_published(self) -> None:
        """For the API, and with PUBLISH_CREDENTIALS, the source is whole."""
        told = build([CAMERA], {NAME: LOGIN}, Go2rtcOptions("cam-", publish_credentials=True), tags=TAGS)
        self.assertEqual(told.entries["cam-" + NAME], ["rtsp://admin:p%40ss%20%7B1%7D@10.0.0.9:554/main"])
        self.assertEqual(told.variables, {})

    def test_onvif(self) -> None:
        """onvif:// with the profile's token for cameras whose URLs change, for all, or for none."""
        url, able = "http://10.0.0.9:2020/onvif/device_service", ("ptz", WSS_CAPABILITY)
        camera = replace(CAMERA, onvif_url=url, capabilities=able)
        source = f"onvif://${{{VARIABLE}_USER}}:${{{VARIABLE}_PASSWORD}}@10.0.0.9:2020?subtype=p0"
        logins = {NAME: LOGIN}
        for option, rotating, asked in (("rotating", False, False), ("rotating", True, True), (ALWAYS, False, True)):
            told = build(
                [camera], logins, Go2rtcOptions(onvif=option), tags=TAGS, rotating=frozenset({NAME} if rotating else ())
            )
            self.assertEqual(told.entries[NAME] == [source], asked)
        told = build([camera], logins, Go2rtcOptions(onvif=NEVER), tags=TAGS, rotating=frozenset({NAME}))
        self.assertTrue(told.entries[NAME][0].startswith("rtsp://"))
        told = build([replace(camera, onvif_url="")], {}, Go2rtcOptions(onvif=ALWAYS), tags=TAGS)
        self.assertEqual(told.entries[NAME], [MAIN.url])
        # One that wants HTTP Digest for ONVIF, or of which it is not known: go2rtc knows the UsernameToken only.
        told = build([replace(camera, capabilities=("ptz",))], logins, Go2rtcOptions(onvif=ALWAYS), tags=TAGS)
        self.assertTrue(told.entries[NAME][0].startswith("rtsp://"))
        told = build([replace(camera, capabilities=())], {}, Go2rtcOptions(onvif=ALWAYS), tags=TAGS)
        self.assertEqual(told.entries[NAME], ["onvif://10.0.0.9:2020?subtype=p0"])

    def test_fragments(self) -> None:
        """What stands behind a number sign never reaches a source: go2rtc would take it for options of its own."""
        main = replace(MAIN, url=f"{MAIN.url}#backchannel=0#input=exec")
        camera = replace(
            CAMERA,
            streams=(main, SUB),
            onvif_url="http://10.0.0.9/onvif/x#timeout=1",
            capabilities=(WSS_CAPABILITY,),
        )
        for onvif in (ALWAYS, NEVER):
            for publish in (True, False):
                options = Go2rtcOptions(onvif=onvif, publish_credentials=publish)
                login = Login("a#b", Secret("p#w"))
                told = build([camera], {NAME: login}, options, tags=TAGS)
                values = [secret.reveal() for secret in told.variables.values()]
                self.assertNotIn("#", repr([told.entries, values]))

    def test_rotating(self) -> None:
        """URLs rotate when a profile has another path on the same host; a move or a new profile is no rotation."""
        other = replace(MAIN, url="rtsp://10.0.0.9:554/other")
        self.assertTrue(rotates((MAIN, SUB), (other, SUB)))
        self.assertFalse(rotates((MAIN, SUB), (SUB, MAIN)))
        self.assertFalse(rotates((MAIN,), (replace(MAIN, url="rtsp://10.0.0.77:554/main"),)))
        self.assertFalse(rotates((MAIN,), (replace(other, profile="p9"),)))
        self.assertFalse(rotates((Stream("rtsp://h/a"),), (Stream("rtsp://h/b"),)))
