"""Merging: what is ours is brought up to date, and nothing else is ever touched."""

from __future__ import annotations

from copy import deepcopy

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import NAME as ID, entry, merge
from twisted_detector.outputs.sync.merging import is_ours, mask_logins
from twisted_detector.outputs.sync.seams import TargetRefused


class Merging(SynchronousTestCase):
    def test_new_and_gone(self) -> None:
        """A new camera is added, a forgotten one of ours removed, those of others stay."""
        theirs = {"mqtt": {"host": "b"}, "cameras": {"door": {"x": 1}, "shed": {"y": 2}}}
        merged = merge(theirs, {"shed": {"y": 2}}, {ID: entry()})
        self.assertEqual(merged.document, {"mqtt": {"host": "b"}, "cameras": {"door": {"x": 1}, ID: entry()}})
        self.assertEqual(merged.written, {ID: entry()})
        self.assertEqual(list(theirs["cameras"]), ["door", "shed"], "the argument is not touched")

    def test_what_somebody_added_stays(self) -> None:
        """Zones, masks and a third input that a person put into a camera of ours stay through a move."""
        there = deepcopy(entry())
        there["zones"] = {"way": {"coordinates": "0,0"}}
        there["ffmpeg"]["hwaccel_args"] = "preset-vaapi"
        there["ffmpeg"]["inputs"][0]["input_args"] = "preset-rtsp-udp"
        there["ffmpeg"]["inputs"].append({"path": "rtsp://10.0.0.9/audio", "roles": ["audio"]})
        merged = merge({"cameras": {ID: there}}, {ID: entry()}, {ID: entry("10.0.0.77")})
        expected = deepcopy(there)
        expected["ffmpeg"]["inputs"][0]["path"] = "rtsp://10.0.0.77/main"
        expected["ffmpeg"]["inputs"][1]["path"] = "rtsp://10.0.0.77/sub"
        self.assertEqual(merged.document, {"cameras": {ID: expected}})
        self.assertEqual(merged.kept, ())

    def test_what_somebody_changed_stays(self) -> None:
        """A value that a person changed or took out is theirs from then on, and it is said."""
        there = deepcopy(entry())
        there["detect"]["fps"] = 10
        del there["friendly_name"]
        merged = merge({"cameras": {ID: there}}, {ID: entry()}, {ID: entry(name="New")})
        self.assertEqual(merged.document["cameras"][ID], there)
        self.assertEqual(merged.kept, (f"cameras.{ID}.detect.fps", f"cameras.{ID}.friendly_name"))

    def test_what_we_do_not_say_any_more(self) -> None:
        """A value that we wrote and say no more goes; the same written by a person does not."""
        there = {**entry(), "onvif": {"host": "h"}, "ui": {"order": 1}}
        merged = merge({"cameras": {ID: there}}, {ID: {**entry(), "onvif": {"host": "h"}}}, {ID: entry()})
        self.assertEqual(merged.document["cameras"][ID], {**entry(), "ui": {"order": 1}})

    def test_a_name_that_is_taken(self) -> None:
        """A camera of somebody else's with the name that we wanted is left alone, now and when we forget ours."""
        theirs = {"cameras": {"yard": {"x": 1}}}
        merged = merge(theirs, {}, {"yard": entry()})
        self.assertEqual((merged.document, merged.foreign, merged.written), (theirs, ("yard",), {}))
        self.assertEqual(merge(theirs, merged.written, {}).document, theirs)

    def test_a_lost_memory(self) -> None:
        """A camera under a MAC is ours though we do not remember it: it is brought up to date, what was added stays."""
        there = {**entry(), "zones": {"z": 1}}
        merged = merge({"cameras": {ID: there}}, {}, {ID: entry("10.0.0.77")})
        self.assertEqual(merged.document["cameras"][ID], {**entry("10.0.0.77"), "zones": {"z": 1}})
        self.assertTrue(is_ours("p-024000000001_2_sub", "p-"))
        self.assertFalse(is_ours("024000000001", "p-"))

    def test_no_table(self) -> None:
        """A section that is no table is refused."""
        with self.assertRaises(TargetRefused):
            merge({"cameras": [1]}, {}, {ID: entry()})

    def test_twice_is_once(self) -> None:
        """What was merged is not changed by merging it again."""
        merged = merge({"cameras": {"door": {}}}, {}, {ID: entry()})
        self.assertEqual(merge(merged.document, merged.written, {ID: entry()}).document, merged.document)


class MaskLogins(SynchronousTestCase):
    def test_urls(self) -> None:
        """A login in a URL ends at the last "@" before a blank; a variable is none, unless its value stands with it."""
        for line, masked in {
            "path: rtsp://u:p@ss/w@10.0.0.5/s?x=a@b": "path: rtsp://***@b",
            "- rtsp://u:pw@10.0.0.5:554/s  # rtsp://v:qw@10.0.0.6/": "- rtsp://***@10.0.0.5:554/s  # rtsp://***@10.0.0.6/",
            "ffmpeg:http://only-a-user@10.0.0.5/#video=copy": "ffmpeg:http://***@10.0.0.5/#video=copy",
            "rtsp://{FRIGATE_USER}:{FRIGATE_PASSWORD}@10.0.0.5/": "rtsp://{FRIGATE_USER}:{FRIGATE_PASSWORD}@10.0.0.5/",
            "rtsp://${CAM_USER}:${CAM_PASSWORD}@10.0.0.5/": "rtsp://${CAM_USER}:${CAM_PASSWORD}@10.0.0.5/",
            "rtsp://${CAM_LOGIN:u:pw}@10.0.0.5/": "rtsp://***@10.0.0.5/",
            "rtsp://{FRIGATE_USER}:pw@10.0.0.5/": "rtsp://***@10.0.0.5/",
            "rtsp://10.0.0.5/s": "rtsp://10.0.0.5/s",
        }.items():
            self.assertEqual(masked, mask_logins(line))

    def test_entries(self) -> None:
        """The value of a key that says so is masked, quoted, in one line with others, in a difference, and cut off."""
        for line, masked in {
            "    password: it's # all of it": "    password: ***",
            '+  "mqtt_password": "a\\"b"': '+  "mqtt_password": ***',
            "-  - api_key: x": "-  - api_key: ***",
            "mqtt: {user: u, password: p w, host: h}": "mqtt: {user: u, password: ***, host: h}",
            "{'password': 'p,}w', 'a_token': 't}', 'port': 1}": "{'password': ***, 'a_token': ***, 'port': 1}",
            "{'password': 'cut off, x": "{'password': ***",
            "password: '{FRIGATE_PASSWORD}'": "password: '{FRIGATE_PASSWORD}'",
            "{password: ${GO2RTC_PASSWORD}, x: 1}": "{password: ${GO2RTC_PASSWORD}, x: 1}",
            "password: {FRIGATE_PASSWORD}x": "password: {FRIGATE_PASSWORD}x",
            "reset_admin_password: ": "reset_admin_password: ",
            "passwords are kept elsewhere": "passwords are kept elsewhere",
        }.items():
            self.assertEqual(masked, mask_logins(line))
