"""Steps of a job: each in its last state, and of many addresses no more than can be looked at."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.adding.progress import MAX_TOLD, Progress

HERE = "10.0.0.5"


class ProgressTests(SynchronousTestCase):
    def test_steps(self) -> None:
        """A step is told once, as it is now; one that fails has its reason and what would help."""
        progress = Progress("job", HERE)
        progress.doing(HERE, "reach", "looking")
        progress.succeeded(HERE, "reach", "it answers")
        progress.failed(HERE, "stream", "asked", "404", [{"kind": "use-port", "text": "Use port 554"}])
        document = progress.document()
        self.assertEqual(("job", HERE, False, []), tuple(document[key] for key in _HEAD))
        self.assertEqual(
            [
                {"address": HERE, "step": "reach", "state": "ok", "text": "it answers", "reason": "", "help": []},
                {
                    "address": HERE,
                    "step": "stream",
                    "state": "failed",
                    "text": "asked",
                    "reason": "404",
                    "help": [{"kind": "use-port", "text": "Use port 554"}],
                },
            ],
            document["steps"],
        )

    def test_broken_off(self) -> None:
        """What was under way at the end is not under way for ever."""
        progress = Progress("job", HERE)
        progress.doing(HERE, "reach", "looking")
        progress.end(5.0)
        [step] = progress.document()["steps"]
        self.assertEqual(("failed", "it was stopped"), (step["state"], step["reason"]))
        self.assertTrue(progress.document()["done"])

    def test_many(self) -> None:
        """Of a range there are numbers first; where nothing is, no step is left."""
        progress = Progress("job", "10.0.0.0/24", 254)
        progress.doing(HERE, "reach", "looking")
        progress.drop(HERE)
        progress.silent, progress.others = 250, 3
        progress.skipped("it is this machine's own address")
        progress.skipped("another reason")
        [step] = progress.document()["steps"]
        self.assertEqual(
            "254 addresses: 250 do not answer; 3 answer, but have no camera port open;"
            " 2 are not asked (it is this machine's own address)",
            step["text"],
        )
        self.assertEqual(("doing", ""), (step["state"], step["reason"]))
        progress.end(1.0)
        [step] = progress.document()["steps"]
        self.assertEqual(("failed", "no camera was found there"), (step["state"], step["reason"]))
        progress.camera_ids.append("x")
        self.assertEqual("ok", progress.document()["steps"][0]["state"])

    def test_bounded(self) -> None:
        """A job of many hosts has no more steps than a page can show."""
        progress = Progress("job", "10.0.0.0/22", 1022)
        for number in range(2 * MAX_TOLD):
            progress.succeeded(f"10.0.{number // 250}.{number % 250}", "reach", "it answers")
        self.assertEqual(MAX_TOLD + 1, len(progress.document()["steps"]))


_HEAD = ("job", "target", "done", "camera_ids")
