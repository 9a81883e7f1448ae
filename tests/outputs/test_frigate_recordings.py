"""The double of Frigate against what 0.16.4, 0.17.2 and 0.18 in development answered, request by request."""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.peers.exchange import Answer, Request
from tests.peers.frigate import RECORDED, Frigate
from tests.peers.go2rtc import Go2rtc
from tests.recordings import SKIP, Recording, recordings, spelled, versions

FOLDERS = ("frigate-0.16.4", "frigate-0.17.2", "frigate-0.18-dev-e3fa701")
SAID = dict(zip(FOLDERS, RECORDED, strict=True))
GO2RTC = dict(zip(FOLDERS, ("1.9.9", "1.9.10", "1.9.14"), strict=True))
START = """\
# mine
mqtt: {enabled: false}
detectors: {cpu: {type: cpu}}   # stays
go2rtc:
  streams:
    front: rtsp://admin:made-up1@10.77.1.2/stream
cameras:
  front:          # my own
    ffmpeg:
      inputs:
        - path: rtsp://{FRIGATE_KNOWN_USER}:{FRIGATE_KNOWN_PASSWORD}@10.77.1.1/stream
          roles: [detect]
    detect: {enabled: false, width: 640, height: 480}
"""
SIDE = """\
  side:
    ffmpeg:
      inputs:
        - path: rtsp://10.77.1.3/s
          roles: [detect]
    detect: {enabled: false, width: 640, height: 480}
"""
ENVIRONMENT = {
    "FRIGATE_KNOWN_USER": "admin",
    "FRIGATE_KNOWN_PASSWORD": "made-up1",
    "FRIGATE_BRACES_PASSWORD": "a{x}b",
}
USERS = {"boss": ("made-up%1", "admin"), "guest": ("made-up2", "viewer")}
RUNNING = "mqtt: {enabled: false}\ncameras:\n" + "".join(
    f"  {name}:\n    ffmpeg: {{inputs: [{{path: 'rtsp://10.77.1.{host}/stream', roles: [detect]}}]}}\n"
    "    detect: {enabled: false, width: 320, height: 240, fps: 5}\n"
    for name, host in (("front", 2), ("yard", 3), ("gate", 4))
)

#: (how it stood, what was asked then, each on its own or after the other; "a … b" is all from a to b).
ALONE = (
    ({"starting": True}, "down_5000_version … down_8971_save"),
    ({}, "version config_raw config_raw_paths unknown_api root config_without_api"),
    ({}, "save_good save_same save_restart save_known_variable … save_get"),
    ({}, "set_query set_query_no_restart set_no_body … set_query_change_path set_query_number_name"),
    ({"text": START + SIDE}, "set_query_delete"),
    ({}, "set_query_delete_missing … set_json_add set_json_add_login_variable … set_json_topic_short"),
    ({"text": START + SIDE}, "set_json_remove set_json_remove_null … set_query_and_json"),
    ({}, "go2rtc_api go2rtc_streams go2rtc_stream_missing"),
    ({}, "go2rtc_put go2rtc_put_again_changed go2rtc_put_no_src … go2rtc_direct_api_streams"),
    ({"go2rtc": None}, "go2rtc_down_streams go2rtc_down_put"),
    ({}, "restart restart_get port5000_login p8971_no_login_version … login_right"),
    ({"authenticated": False}, "auth_off_login"),
    ({}, "tls_off"),
)
TOGETHER = (
    "save_good config_raw_after_save",
    "set_query config_after_set",
    "go2rtc_streams go2rtc_put go2rtc_put_again_changed go2rtc_streams_after (7 s) (looked) go2rtc_streams_after_7s",
    "login_right cookie_version cookie_config_raw bearer_config_raw bearer_bad basic_auth cookie_save … cookie_set"
    " login_viewer viewer_version viewer_config_raw … viewer_restart spoofed_role_header spoofed_role_viewer",
    "(looked) go2rtc_put_bad login_viewer_early viewer_go2rtc_list",
    "login_right cookie_after_logout (restart) old_cookie_after_restart",
    "(limited) rate_limit_1 rate_limit_2 rate_limit_3",
    "run_add_new run_add_existing_new_address",
    "run_add_existing_started",
    "run_remove_first run_remove_then_add",
    "run_remove_last run_remove_last_then_add",
    "run_add_side run_add_shed run_remove_added",
    "run_add_one run_remove_one_added run_add_one_again_moved",
    "run_ffmpeg",
    "run_enabled_off run_enabled_off_then_add run_enabled_off_add_on",
    "run_set_address_no_topic",
)
NOT_PLAYED = {
    "a body of 18 kB of which the extract is played": "config config_cameras_only viewer_config",
    "what another address says after it (nginx keeps its JSON)": "config_after_add config_after_remove",
    "in memory only; camdetect never does that": "set_skip_save",
    "players": "go2rtc_player go2rtc_player_stream_html go2rtc_ws_mse go2rtc_ws_webrtc",
    "a camera's own words stand in it": "go2rtc_stream_one go2rtc_direct_get_streams viewer_go2rtc_own_list",
    "who one is; camdetect does not ask": "port5000_profile profile_boss viewer_profile logout",
    "a viewer's rights without a login; what follows of it is played as viewer": "auth_off_8971",
    "seconds of a small machine": "starting_sequence",
    "what a consumer saw, not what was answered": (
        "run_move_put_by_frigate run_move_patch_by_go2rtc run_move_patch_clock_1 run_move_patch_clock_2"
        " run_remove_listeners"
    ),
}
#: nginx keeps JSON for some seconds, and when the recorder asked for it before is not known but where it is played.
_CACHE = frozenset({"x-cache-status"})
_FRAMES = re.compile(rb"(?:  File &#34;.*?)(?=\\n[a-z.A-Z]*(?:Error|Exception): )")


def double(folder: str, **more: Any) -> Frigate:
    inside = Go2rtc(GO2RTC[folder], text="streams:\n  front: rtsp://admin:made-up1@10.77.1.2/stream\n", origin=True)
    options = {"text": START, "environment": ENVIRONMENT, "users": USERS, "go2rtc": inside, **more}
    return Frigate(SAID[folder], **options)


class Recorded(SynchronousTestCase):
    skip = SKIP or None
    maxDiff = None

    def test_versions(self) -> None:
        """Every version that was recorded is played here, and by every test that asks for all."""
        self.assertEqual(sorted(FOLDERS), versions("frigate"))

    def test_every_recording(self) -> None:
        """The double answers as the real one did: status, headers, body, its file, and what runs afterwards."""
        for folder in versions("frigate"):
            found = recordings(folder)
            order = list(found)
            left_out = {one for words in NOT_PLAYED.values() for one in spelled(words, order)}
            seen: set[str] = {"config_extract"}
            faults: list[str] = []
            for options, words in ALONE:
                for step in spelled(words, order):
                    if step in found and step not in left_out:
                        seen.add(step)
                        faults.append(compared(double(folder, **options), found[step]))
            for words in TOGETHER:
                self.play(folder, words, found, seen, faults)
            self.assertEqual([], [one for one in order if one not in seen | left_out], f"{folder}: nobody looked")
            self.assertEqual("", "\n".join(filter(None, faults)), folder)

    def play(self, folder: str, words: str, found: dict[str, Recording], seen: set[str], faults: list[str]) -> None:
        clock = Clock()
        one = double(folder, now=clock.seconds, **({"text": RUNNING} if words.startswith("run_") else {}))
        for step in spelled(words, list(found)):
            if step == "(7":
                clock.advance(7)
            elif step == "(looked)":
                one.go2rtc.leave("front")
            elif step == "(restart)":
                one.restart()
            elif step == "(limited)":
                one.rate_limit = True
            elif step in found:
                seen.add(step)
                faults.append(compared(one, found[step], cache=step.startswith("go2rtc_streams")))

    def test_what_a_follower_may_read(self) -> None:
        """Of ``/api/config`` the part that is read: the same, logins masked."""
        for folder in versions("frigate"):
            recorded = json.loads(recordings(folder)["config_extract"].answer.body)
            answer = double(folder).answer(Request("GET", "/api/config", port=5000))
            self.assertEqual(recorded, json.loads(answer.body))


def compared(one: Frigate, recorded: Recording, *, cache: bool = False) -> str:
    request = recorded.request
    if not request.target.startswith("/api") and recorded.what.startswith("run_"):
        request = Request(request.method, f"/api{request.target}", request.headers, request.body, port=5000)
    answer, told = one.answer(request), recorded.answer
    if recorded.what.startswith("run_"):
        mine = (answer.status, one.config.running.reads, one.config.running.maintained)
        after = recorded.more["running_after"]
        theirs = (told.status, sorted(after["ffmpeg_reads"]), after["maintainer_runs"])
        return "" if mine == theirs else f"{recorded.number} {recorded.what}: {mine}\n recorded {theirs}"
    after = recorded.more.get("file_after")
    if after is not None and one.config.text != after:
        return f"{recorded.number} {recorded.what}: its file\n{one.config.text}\nrecorded\n{after}"
    published = recorded.more.get("published_to_the_running_parts")
    if published is not None:
        topics = [tuple(entry["topic"].split("/")[2:]) for entry in published]
        if topics != one.config.published:
            return f"{recorded.number} {recorded.what}: {one.config.published} recorded {topics}"
    if b"ruamel" in told.body:  # a traceback through ruamel: all but its frames
        answer, recorded = _without_frames(answer), _recorded_without_frames(recorded)
    return recorded.unlike(answer, ignore=frozenset() if cache else _CACHE)


def _without_frames(answer: Answer) -> Answer:
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    return Answer(answer.status, headers, _FRAMES.sub(b"", answer.body))


def _recorded_without_frames(recorded: Recording) -> Recording:
    return Recording(
        recorded.what, recorded.number, recorded.request, _without_frames(recorded.answer), recorded.whole, {}
    )
