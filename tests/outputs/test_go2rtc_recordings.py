"""The double of go2rtc against what go2rtc 1.9.10 and 1.9.14 answered, request by request and byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.peers.exchange import Answer
from tests.peers.go2rtc import VERSIONS, Go2rtc
from tests.recordings import SKIP, Recording, recordings, spelled, versions

HEAD = """\
log: {level: debug}
api: {listen: ":1984"}
rtsp: {listen: "127.0.0.1:8554"}
webrtc: {listen: "10.77.0.1:8555"}
"""
MINE = HEAD + "# mine\nstreams:\n  mine: rtsp://10.77.9.9/none   # stays\n"
VARIABLES = HEAD + (
    "streams:\n  v: rtsp://admin:${CAM_PW}@10.77.9.9/x\n  d: rtsp://admin:${CAM_UNSET:fallback1}@10.77.9.9/x\n"
    "  u: rtsp://admin:${CAM_UNSET2}@10.77.9.9/x\n"
)
LOGIN = "boss:g:o/made-up"
CAMERAS = {
    "dead": "rtsp://10.77.1.99/stream",
    "live": "rtsp://10.77.1.2/stream",
    "locked": "rtsp://admin:made-up1@10.77.1.1/stream",
    "moved": "rtsp://10.77.1.2/stream",
    "nopath": "rtsp://10.77.1.2/none",
    "silent": "rtsp://10.77.9.9/stream",
    "wrong": "rtsp://admin:nope@10.77.1.1/stream",
}

#: (how it was started, what was asked then, in this order: "a … b" is all from a to b).
RUNS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"text": HEAD, "rtsp": "127.0.0.1:8554"}, "api … streams_options schemes unknown_path"),
    ({"text": MINE}, "streams_own … config_get (restart) streams_after_restart"),
    ({"text": None, "rtsp": ""}, "nofile_api (own:a=rtsp://10.77.9.9/x) nofile_put … nofile_config"),
    (
        {"text": "", "file_fault": "open /config/missing/go2rtc.yaml: no such file or directory"},
        "missing_put … missing_config",
    ),
    (
        {
            "text": "streams:\n  a: rtsp://10.77.9.9/x\n bad: [",
            "config_path": "/config/bad.yaml",
            "file_fault": "yaml: line 2: did not find expected key",
        },
        "badfile_api … badfile_streams_2",
    ),
    ({"text": VARIABLES, "environment": {"CAM_PW": "made-up7"}}, "variables_streams variables_config"),
    ({"text": MINE}, "config_get_2"),
    (
        {"text": HEAD + "streams:\n  posted: rtsp://10.77.1.2/sub\n"},
        "restart_get restart_post restart_after",
    ),
    ({"text": MINE, "login": LOGIN}, "login_missing_api … login_right_put"),
    ({"text": MINE, "login": LOGIN}, "login_bearer"),
    (
        {"text": MINE + "  cam1: rtsp://10.77.1.2/stream\n", "login": LOGIN},
        "login_loopback_missing login_loopback_wrong",
    ),
    ({"text": "", "login": LOGIN, "local_auth": True}, "local_auth_loopback"),
    ({"text": MINE, "base_path": "/rtc"}, "base_path base_path_without"),
    (
        {
            "text": MINE.replace('":1984"', '":1984", allow_paths: ["/api","/api/streams"]')
            .replace("# mine\n", "")
            .replace("   # stays", ""),
            "allow_paths": ("/api", "/api/streams"),
        },
        "allow_paths_in allow_paths_out",
    ),
    ({"text": MINE}, "read_only_put"),
    (
        {"text": ""},
        "(cameras) streams_after_frames (watch:live) (watch:locked) patch_active_same patch_active patch_active_after"
        " put_active put_active_after delete_active delete_active_after",
    ),
    ({"text": "streams:\n  live: rtsp://10.77.1.2/stream\n", "origin": True}, "cors_streams"),
    ({"text": MINE}, "stream_html"),
)
#: What is not played, with the reason.
NOT_PLAYED = {
    "pictures, and scripts and websockets of players; camdetect asks for none of them": (
        "streams_dot root login_ws_missing base_path_player"
        " allow_paths_player frame_missing … frame_source_as_src streams_probe streams_probe_dead streams_dot_active"
        " video_rtc_js … ws_unknown_type ws_origin_other … options_no_origin cors_options … cors_login_options"
    ),
    "a camera's own words (SDP) stand in it": "streams_active streams_one_active",
    "its ONVIF client": "onvif_src … onvif_none",
    "its whole file is replaced; camdetect never does that": "nofile_config_post config_patch … config_post_ok",
    "it ends": "exit_bad exit gone",
    "what a consumer saw, not what was answered": "move_patch move_put",
}
#: The list is of a Go map, in the order of chance.
CHANCE = {"schemes"}


class Recorded(SynchronousTestCase):
    maxDiff = None
    skip = SKIP or None

    def test_versions(self) -> None:
        """Every version that was recorded is played here, and by every test that asks for all."""
        self.assertEqual(sorted(f"go2rtc-{one}" for one in VERSIONS), versions("go2rtc"))

    def test_every_recording(self) -> None:
        """The double answers as the real one did: status, headers, body, and what stands in its file afterwards."""
        for folder in versions("go2rtc"):
            found = recordings(folder)
            order = list(found)
            seen: set[str] = set()
            faults: list[str] = []
            for options, words in RUNS:
                double = Go2rtc(folder.partition("-")[2], **options)
                for step in spelled(words, order):
                    if step.startswith("("):
                        _prepare(double, step.strip("()"))
                        continue
                    seen.add(step)
                    faults.append(self.compared(double, found[step]))
            left_out = {one for words in NOT_PLAYED.values() for one in spelled(words, order)}
            self.assertEqual([], sorted(left_out & seen), "both played and not")
            self.assertEqual([], [one for one in order if one not in seen | left_out], f"{folder}: nobody looked")
            self.assertEqual("", "\n".join(filter(None, faults)), folder)

    def compared(self, double: Go2rtc, recorded: Recording) -> str:
        answer = double.answer(recorded.request)
        if recorded.what in CHANCE and answer.status == 200:
            same = sorted(json.loads(answer.body)) == sorted(json.loads(recorded.answer.body))
            return "" if same else recorded.what
        if recorded.what == "patch_active_after":
            return "" if _producers(answer) == _producers(recorded.answer) else recorded.what
        if recorded.what == "stream_html":
            # The page is go2rtc's own; ours in its place has the same head, but for the length.
            answer = replace(answer, body=recorded.answer.body)
            return recorded.unlike(answer, ignore=frozenset({"content-length"}))
        after = recorded.more.get("file_after")
        if after is not None and double.text != after:
            return f"{recorded.number} {recorded.what}: its file\n{double.text}\nrecorded\n{after}"
        return recorded.unlike(answer)


def _producers(answer: Answer) -> list[tuple[bool, str]]:
    """Of each producer whether it runs, and the address that it says."""
    return [("id" in one, one["url"]) for one in json.loads(answer.body)["producers"]]


def _prepare(double: Go2rtc, step: str) -> None:
    word, _, what = step.partition(":")
    if word == "restart":
        double.start()
    elif word == "own":
        name, _, source = what.partition("=")
        double.own(name, source)
    elif word == "cameras":
        for name, source in CAMERAS.items():
            double.own(name, source)
        for name in ("live", "locked"):
            double.leave(name)
        double.own("rtsp://10.77.1.2/sub", "rtsp://10.77.1.2/sub")
        double.leave("rtsp://10.77.1.2/sub")
    else:
        double.watch(what)
