"""`.ci/debian-packages` with stand-ins for dpkg, apt and systemctl: mosquitto is a program then, not a service."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.processes import ROOT

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the script writes below /usr/sbin, which is replaced"),
    pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare"),
]

#: As what Debian's postinst calls asks for leave; what it is told stands in the log.
_APT = """
case $* in *install*)
    [ ! -e "$STAND_INS/apt-fails" ] || exit 100
    for each in mosquitto mosquitto.service ssh; do
        status=0
        [ ! -x /usr/sbin/policy-rc.d ] || /usr/sbin/policy-rc.d --quiet $each start || status=$?
        echo "start $each $status" >>"$STAND_INS/log"
    done
esac
"""
#: The folder of the system's programs is this test's, in a mount namespace of its own.
_INSIDE = """
mount --bind "$STAND_INS/sbin" /usr/sbin
[ ! -d "$STAND_INS/init.d" ] || mount --bind "$STAND_INS/init.d" /etc/init.d
exec bash "$SCRIPT" "$1"
"""


class Machine:
    """A Debian on which these packages are installed."""

    def __init__(self, folder: Path, installed: Sequence[str]) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.sbin = folder / "sbin"
        self.sbin.mkdir()
        self.path = f"{folder / 'bin'}:/usr/bin:/bin"
        self.log.touch()
        have = " | ".join(installed) or "none-at-all"
        self.stand_in("dpkg-query", f"for last; do :; done; case $last in {have}) echo installed ;; *) exit 1 ;; esac")
        self.stand_in("apt-get", _APT)
        self.stand_in("systemctl", 'echo "systemctl $*" >>"$STAND_INS/log"')

    def stand_in(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, purpose: str = "run") -> str:
        work = self.folder / "checkout"
        work.mkdir(exist_ok=True)
        done = subprocess.run(
            [str(shutil.which("unshare")), "--mount", "bash", "-e", "-c", _INSIDE, "-", purpose],
            cwd=work,
            env={
                "PATH": self.path,
                "STAND_INS": str(self.folder),
                "SCRIPT": str(ROOT / ".ci" / "debian-packages"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=True,
            text=True,
        )
        return done.stdout

    @property
    def happened(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.mark.parametrize("purpose", ["run", "test"])
def test_mosquitto_is_new(tmp_path: Path, purpose: str) -> None:
    """While it is installed its service may not start, others may; then it is off, and nothing is left behind."""
    machine = Machine(tmp_path, ())
    told = machine.run(purpose)
    assert machine.happened[:3] == ["start mosquitto 101", "start mosquitto.service 101", "start ssh 0"]
    (off,) = machine.happened[3:]
    assert off.startswith("systemctl --quiet disable")
    assert off.endswith("mosquitto.service")
    assert list(machine.sbin.iterdir()) == []
    assert "systemctl enable --now mosquitto" in told


def test_mosquitto_was_there(tmp_path: Path) -> None:
    """One that was installed before is left alone: it may be somebody's service."""
    machine = Machine(tmp_path, ["mosquitto"])
    machine.run()
    assert machine.happened == ["start mosquitto 0", "start mosquitto.service 0", "start ssh 0"]


def test_all_was_there(tmp_path: Path) -> None:
    """Nothing is done where nothing is missing."""
    machine = Machine(tmp_path, ["mosquitto", "mosquitto-clients"])
    assert machine.run() == ""
    assert machine.happened == []


def test_a_policy_of_the_machine(tmp_path: Path) -> None:
    """A policy that is there stays as it is; what it let start is stopped."""
    machine = Machine(tmp_path, ())
    policy = machine.sbin / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o755)
    machine.run()
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert machine.happened[0] == "start mosquitto 0"
    assert machine.happened[-1].startswith("systemctl --quiet disable")


def test_an_installation_that_fails(tmp_path: Path) -> None:
    """It leaves no policy behind, and says what to type."""
    machine = Machine(tmp_path, ())
    (tmp_path / "apt-fails").touch()
    assert "apt-get install" in machine.run()
    assert machine.happened == []
    assert list(machine.sbin.iterdir()) == []


def test_a_machine_without_systemd(tmp_path: Path) -> None:
    """There update-rc.d switches it off."""
    machine = Machine(tmp_path, ())
    (tmp_path / "bin" / "systemctl").unlink()
    for name in ("sh", "bash", "env", "id", "find", "mktemp", "rm", "cat", "chmod", "tail", "mount"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name, path="/usr/bin:/bin")))
    machine.path = str(tmp_path / "bin")
    (tmp_path / "init.d").mkdir()
    (tmp_path / "init.d" / "mosquitto").touch()
    machine.stand_in("update-rc.d", 'echo "update-rc.d $*" >>"$STAND_INS/log"')
    machine.run()
    assert machine.happened[3:] == ["update-rc.d mosquitto disable"]
