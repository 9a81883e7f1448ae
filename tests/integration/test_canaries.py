"""Canaries in what runs: on command lines, and in the answers of a control socket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.canaries import Canaries
from tests.processes import ROOT, wait_until

SECRET = "kanarie-4711"
ANSWERS = """
import json, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("control.sock")
server.listen()
connection, _ = server.accept()
connection.recv(1000)
connection.sendall(json.dumps({"ok": True, "list": sys.stdin.readline().strip()}).encode() + b"\\r\\n")
"""


def test_command_lines() -> None:
    """A secret on the command line of any process is found."""
    canaries = Canaries()
    canaries.plant(SECRET, "a secret")
    process = subprocess.Popen([sys.executable, "-c", "input()", SECRET], stdin=subprocess.PIPE)
    try:
        canaries.look_at_processes()
        assert [leak.where for leak in canaries.leaks] == [f"the command line of process {process.pid}"]
    finally:
        process.communicate(b"\n", 10)
    canaries.leaks.clear()
    canaries.look_at_processes()
    assert canaries.leaks == []


def test_answers(tmp_path: Path) -> None:
    """A secret in an answer of a daemon's control socket is found."""
    canaries = Canaries()
    canaries.plant(SECRET, "a secret")
    with subprocess.Popen([sys.executable, "-c", ANSWERS], stdin=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdin is not None
        process.stdin.write(SECRET.encode() + b"\n")
        process.stdin.close()
        try:
            wait_until((tmp_path / "control.sock").exists, 10, "the socket")
            canaries.look_at_daemon({"STATE_DIR": str(tmp_path)})
        finally:
            process.kill()
    assert [leak.where for leak in canaries.leaks] == ["the answer to list at the control socket"]


LEAKY = """
import os
import sys

from tests.processes import Process, run_to_end


def test_leaks(tmp_path):
    command = (sys.executable, "-c", "import os; print('joined with', os.environ['MQTT_PASSWORD'])")
    process = Process(command, tmp_path / "out.log", {"MQTT_PASSWORD": "kanarie-4711"})
    process.wait()
    process.end()


def test_a_short_command_leaks():
    command = (sys.executable, "-c", "import os; print(os.environ['MQTT_PASSWORD'])")
    run_to_end(command, {"MQTT_PASSWORD": "kanarie-4713"})


def test_does_not(tmp_path):
    process = Process((sys.executable, "-c", "pass"), tmp_path / "out.log", {"MQTT_PASSWORD": "kanarie-4712"})
    process.wait()
    process.end()
"""


def test_a_leak_fails_its_test(tmp_path: Path) -> None:
    """A test whose process, short-lived or not, shows its secret fails, whatever else; the next one does not."""
    file = tmp_path / "test_leaky.py"
    file.write_text(LEAKY)
    command = (sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", f"--rootdir={tmp_path}", str(file))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stdout
    assert "MQTT_PASSWORD can be read in the output out.log" in done.stdout
    assert "MQTT_PASSWORD can be read in what" in done.stdout
    assert "3 passed, 2 errors" in done.stdout, done.stdout
    assert "ERROR" in done.stdout
    assert "test_leaks" in done.stdout
    assert "canaries: 3 secrets" in done.stdout
