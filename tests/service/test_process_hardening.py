"""A process with a secret is closed to the other processes of its user, and still reads what it needs of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]

#: A user of no rights, where the tests run as root: root may look into every process.
NOBODY = 65534

#: A parent with a secret and a child of the same user. The child tells whether it could read the secret, and the
#: parent's environment; the parent what it can read of itself.
PROGRAM = f"""
import ctypes, os, sys
import twisted_detector.operations.process_stats as stats
from twisted_detector.operations.host_checks import check_capabilities
from twisted_detector.service import process_hardening
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
    libc.prctl(4, 1, 0, 0, 0)  # a change of user closes a process too; here it is ours to do
secret = ctypes.create_string_buffer(b"correct horse battery staple")
class Span(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))
if sys.argv[1] == "closed":
    process_hardening.forbid_inspection()
print("open" if process_hardening.is_open_to_inspection() else "closed", flush=True)
parent = os.getpid()
child = os.fork()
if child == 0:
    libc.prctl(4, 1, 0, 0, 0)  # as after an exec
    taken = ctypes.create_string_buffer(len(secret))
    here = Span(ctypes.addressof(taken), len(taken))
    there = Span(ctypes.addressof(secret), len(secret))
    count = libc.process_vm_readv(parent, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    print("taken" if count > 0 and taken.raw == secret.raw else os.strerror(ctypes.get_errno()))
    try:
        print("environment", len(open(f"/proc/{{parent}}/environ").read()) > 0)
    except OSError as error:
        print("environment", error.strerror)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
document = stats.ProcessStats(lambda: 0.0).document()
print(document["fds"] > 2, document["rss_mb"] > 5, "CAP_NET_RAW" in check_capabilities().text)
"""


class Inspection(SynchronousTestCase):
    def run_program(self, *arguments: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout.splitlines()

    def test_closed(self) -> None:
        """No process of the same user reads its memory or its environment; it reads its own figures as before."""
        self.assertEqual(
            [
                "closed",
                "Operation not permitted",
                "environment Permission denied",
                "True True True",
            ],
            self.run_program("closed"),
        )

    def test_the_test_has_teeth(self) -> None:
        """Without it, a child reads the secret of its parent, where the kernel has no other bar (Yama)."""
        yama = Path("/proc/sys/kernel/yama/ptrace_scope")
        if yama.exists() and yama.read_text().strip() != "0":
            self.skipTest("the kernel has Yama")
        self.assertEqual(["open", "taken", "environment True", "True True True"], self.run_program("open"))

    def test_every_root_does_it(self) -> None:
        """Each root closes its process before it reads the configuration, in which the passwords are."""
        for name in ("camdetect.tac", "twisted/plugins/camdetect_plugin.py", "twisted_detector/cli/main.py"):
            text = (ROOT / name).read_text(encoding="utf-8")
            self.assertEqual(text.count("config_or_exit("), text.count("forbid_inspection()"), name)
            self.assertLess(text.index("forbid_inspection()"), text.index("config_or_exit("), name)

    def test_no_core(self) -> None:
        """The unit forbids core dumps, for the moment before the program does."""
        unit = (ROOT / "packaging/systemd/camdetect.service").read_text(encoding="utf-8")
        self.assertIn("\nLimitCORE=0\n", unit)

    def test_roots_in_a_process(self) -> None:
        """A real subcommand is closed when it has read its configuration."""
        script = (
            "import os; os.environ['STATE_DIR'] = '/nowhere'\n"
            "from twisted_detector.cli import main\n"
            "from twisted_detector.service.process_hardening import is_open_to_inspection\n"
            "main(['status', '--quiet'])\n"
            "print(is_open_to_inspection())"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        self.assertEqual("False", done.stdout.strip(), done.stderr)
