"""The phases of a device's life."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.registry.lifecycle import Lifecycle, Phase

#: The inputs of the machine, by the short names that the stories below are told in.
INPUTS = {
    "ask": "inspection_began",
    "restore": "restored",
    "prove": "stream_proved",
    "trouble": "no_stream_proved",
    "refuse": "login_required",
    "disown": "not_a_camera",
    "silent": "check_missed",
    "depart": "departed",
}
KNOWN = {Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED, Phase.SUSPECT, Phase.OFFLINE}


def life(*words: str, limit: int = 3) -> Lifecycle:
    made = Lifecycle(limit)
    for word in words:
        getattr(made, INPUTS[word])()
    return made


class LifecycleTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Where each story ends."""
        for words, phase in (
            ("", Phase.CANDIDATE),
            ("ask", Phase.INSPECTING),
            ("ask prove", Phase.ONLINE),
            ("ask trouble", Phase.TROUBLED),
            ("ask refuse", Phase.REFUSED),
            ("ask disown", Phase.FOREIGN),
            ("ask silent", Phase.CANDIDATE),
            ("ask depart", Phase.CANDIDATE),
            ("ask disown ask", Phase.INSPECTING),
            ("ask disown ask prove", Phase.ONLINE),
            ("ask disown silent silent silent silent", Phase.FOREIGN),
            ("ask disown depart", Phase.FOREIGN),
            ("ask prove ask", Phase.ONLINE),
            ("ask prove disown", Phase.TROUBLED),
            ("ask prove silent", Phase.SUSPECT),
            ("ask prove silent silent", Phase.SUSPECT),
            ("ask prove silent silent silent", Phase.OFFLINE),
            ("ask prove silent silent prove silent silent", Phase.SUSPECT),
            ("ask prove silent silent trouble silent silent", Phase.SUSPECT),
            ("ask prove silent silent refuse silent silent silent", Phase.OFFLINE),
            ("ask prove depart", Phase.OFFLINE),
            ("ask prove depart silent depart", Phase.OFFLINE),
            ("ask prove depart ask prove", Phase.ONLINE),
            ("restore", Phase.SUSPECT),
            ("restore silent silent", Phase.SUSPECT),
            ("restore silent silent silent", Phase.OFFLINE),
            ("restore prove", Phase.ONLINE),
            ("silent silent silent silent", Phase.CANDIDATE),
        ):
            self.assertEqual(phase, life(*words.split()).phase, words)

    def test_limit_of_one(self) -> None:
        """With a limit of one, the first missed check makes it offline."""
        self.assertEqual(Phase.OFFLINE, life("ask", "prove", "silent", limit=1).phase)

    @given(st.lists(st.sampled_from(sorted(INPUTS)), max_size=40), st.integers(1, 5))
    @settings(deadline=None)
    def test_any_story(self, words: list[str], limit: int) -> None:
        """No order of words is an error; what is known stays known; offline takes a goodbye or the limit of misses."""
        made, known = Lifecycle(limit), False
        missed = 0
        for word in words:
            before = made.phase
            getattr(made, INPUTS[word])()
            missed = missed + 1 if word == "silent" else 0 if word in ("prove", "trouble", "refuse") else missed
            known = known or made.phase in KNOWN
            self.assertEqual(known, made.phase in KNOWN, (word, before, made.phase))
            if made.phase is Phase.OFFLINE and before is not Phase.OFFLINE:
                self.assertTrue(word == "depart" or made.missed_checks >= limit)
            if made.phase in (Phase.ONLINE, Phase.TROUBLED, Phase.REFUSED) and word in ("prove", "trouble", "refuse"):
                self.assertEqual(0, made.missed_checks)
