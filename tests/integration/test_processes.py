"""What a test's process wrote is read once, and whole, however it was cut."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import listener as listener_module
from tests.listener import Listener
from tests.ports import free_port
from tests.processes import Process, Tail, wait_until


class Reads:
    """Counter of the bytes that are read from a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        self.octets = 0
        opened = Path.open

        def counted(path: Path, *arguments: Any, **words: Any) -> Any:
            stream = opened(path, *arguments, **words)
            if path != file:
                return stream
            read = stream.read

            class Counted:
                def __enter__(self) -> Counted:
                    return self

                def __exit__(self, *_: object) -> None:
                    stream.close()

                seek = stream.seek

                @staticmethod
                def read() -> bytes:
                    data: bytes = read()
                    self.octets += len(data)
                    return data

            return Counted()

        monkeypatch.setattr(Path, "open", counted)


def test_a_growing_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look for each byte costs the bytes that came, not the file; a sign of several bytes and a line are whole."""
    file = tmp_path / "output"
    file.write_bytes(b"")
    text = "one\ntwo Türen\n\nthree"
    reads, tail, lines = Reads(monkeypatch, file), Tail(file), []
    for octet in text.encode():
        with open(file, "ab") as writing:  # noqa: PTH123  the one that is not counted
            writing.write(bytes([octet]))
        lines += tail.lines()
    assert lines == ["one", "two Türen", ""]
    assert reads.octets == len(text.encode())


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_bytes(b"a\xffb\n")
    assert Tail(file).lines() == ["a\N{REPLACEMENT CHARACTER}b"]


def test_a_process_is_asked_for_all_that_it_said(tmp_path: Path) -> None:
    """Text and lines are of the whole output each time."""
    process = Process(("sh", "-c", "echo one; printf two; read x"), tmp_path / "output")
    try:
        process.wait_for("two")
        assert process.text() == process.text() == "one\ntwo"
        assert process.lines() == process.lines() == ["one"]
    finally:
        process.end()


@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients")
def test_a_listener_reads_each_message_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked, each message is decoded once; it is found in all and on its topic, in its order."""
    port = free_port()
    broker = Process(("mosquitto", "-p", str(port)), tmp_path / "broker")
    made = []
    real = listener_module.Heard
    monkeypatch.setattr(listener_module, "Heard", lambda *fields: made.append(fields) or real(*fields))
    try:
        broker.wait_for("running")
        listener = Listener(tmp_path / "heard", port)
        try:
            say = ("mosquitto_pub", "-p", str(port), "-q", "1", "-r")
            for number in range(3):
                Process((*say, "-t", f"a/{number % 2}", "-m", f"{number}\nü"), tmp_path / f"said-{number}").wait()
                listener.wait(f"a/{number % 2}", lambda one, number=number: one.payload == f"{number}\nü")
            for _ in range(5):
                assert [one.payload for one in listener.on("a/0")] == ["0\nü", "2\nü"]
            wait_until(lambda: len(listener.heard()) == 3, 5, "three messages")
            assert [one.topic for one in listener.heard()] == ["a/0", "a/1", "a/0"]
            assert listener.on("b") == []
            assert len(made) == 3
        finally:
            listener.end()
    finally:
        broker.end()
