"""The workflows of GitHub: nothing is published untested, with more rights than it takes, or by code without a version.

Whether they are workflows at all, actionlint says (``make lint``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from tests.processes import ROOT

FOLDER = ROOT / ".github" / "workflows"
#: What each job of a release may write, and nothing else may.
RIGHTS = {
    "tests": {"contents": "read"},
    "files": {"contents": "read"},
    "image": {"contents": "read", "packages": "write"},
    "container": {"packages": "write"},
    "pypi": {"id-token": "write"},
    "release": {"contents": "write"},
}
#: The jobs that others see the result of.
PUBLIC = ("container", "pypi", "release")


def jobs(name: str) -> Mapping[str, Any]:
    return dict(yaml.safe_load((FOLDER / name).read_text("utf-8"))["jobs"])


def before(name: str, all_jobs: Mapping[str, Any]) -> set[str]:
    """The jobs that have succeeded when this one begins."""
    needs = all_jobs[name].get("needs", [])
    found = {needs} if isinstance(needs, str) else set(needs)
    return found.union(*(before(one, all_jobs) for one in found))


def steps() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The steps of all workflows, each with where it stands."""
    for path in sorted(FOLDER.glob("*.yml")):
        for name, job in jobs(path.name).items():
            yield from ((f"{path.name}: {name}", step) for step in job.get("steps", []))


class WorkflowTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.text = (FOLDER / "release.yml").read_text("utf-8")
        self.release = yaml.safe_load(self.text)
        self.jobs = self.release["jobs"]

    def test_rights(self) -> None:
        self.assertEqual({}, self.release["permissions"])
        self.assertEqual(RIGHTS, {name: job["permissions"] for name, job in self.jobs.items()})
        checks = yaml.safe_load((FOLDER / "ci.yml").read_text("utf-8"))
        self.assertEqual({"contents": "read"}, checks["permissions"])
        self.assertEqual([], [name for name, job in checks["jobs"].items() if "permissions" in job])

    def test_no_secret_but_its_own(self) -> None:
        self.assertEqual({"GITHUB_TOKEN"}, set(re.findall(r"secrets\.(\w+)", self.text)))
        self.assertNotIn("password", str(self.jobs["pypi"]["steps"]))
        self.assertNotIn("secrets: inherit", self.text)

    def test_only_a_tag(self) -> None:
        # YAML 1.1 takes "on" for a truth
        self.assertEqual({"push": {"tags": ["v*"]}}, self.release.get("on", self.release.get(True)))

    def test_all_before_the_first_is_public(self) -> None:
        """Tests, files and both images have succeeded before anybody sees anything; the release itself is last."""
        for name in PUBLIC:
            self.assertLessEqual({"tests", "files", "image"}, before(name, self.jobs), name)
        self.assertLessEqual({"container", "pypi"}, before("release", self.jobs))
        self.assertEqual("./.github/workflows/ci.yml", self.jobs["tests"]["uses"])

    def test_two_kinds_of_machine(self) -> None:
        kinds = self.jobs["image"]["strategy"]["matrix"]["include"]
        self.assertEqual(["linux/amd64", "linux/arm64"], [one["platform"] for one in kinds])

    def test_versions(self) -> None:
        """Code of others is named by a version, never by a branch."""
        used = {step["uses"]: where for where, step in steps() if "uses" in step}
        self.assertGreater(len(used), 8)
        self.assertEqual({}, {one: where for one, where in used.items() if not re.search(r"@v\d+(\.\d+)*$", one)})

    def test_no_text_of_others_in_a_command(self) -> None:
        """What somebody else may have chosen (a tag's name) comes as a variable, not into the shell's text."""
        self.assertEqual([], [where for where, step in steps() if "${{" in step.get("run", "")])
