"""Whose the entries of a consumer are, by their names."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import NAME
from twisted_detector.outputs.follower import EntryNames
from twisted_detector.outputs.stream_choice import consumer_name
from twisted_detector.outputs.sync.seams import ALONE, Sharing
from twisted_detector.outputs.voice import Voice

#: The id of a camera that no program takes as a name.
ODD = "SN 1/2"


class Names(SynchronousTestCase):
    def names(self, keeps: set[str], prefix: str = "") -> EntryNames:
        """Of a node that keeps the entries of these cameras and has met all others."""
        return EntryNames(
            Voice(
                is_shared=True,
                keeps=keeps.__contains__,
                met=lambda camera_id: camera_id not in keeps,
                owner=lambda camera_id: f"owner of {camera_id}",
            ),
            prefix,
        )

    def test_entries_of_one_camera(self) -> None:
        """Both entries of a camera are its own, also behind a prefix, and by whatever name it is known there."""
        for camera_id in (NAME, ODD):
            for prefix in ("", "barn-"):
                name = f"{prefix}{consumer_name(camera_id)}"
                both = frozenset({name, f"{name}_sub"})
                for keeps in (set(), {camera_id}):
                    names = self.names(keeps, prefix)
                    names.update(camera_id, is_known=True)
                    others = both if not keeps else frozenset()
                    self.assertEqual(Sharing(others, others), names.sharing(both))
                    self.assertEqual({f"owner of {camera_id}": 1}, names.keepers(both))

    def test_forgotten(self) -> None:
        """What others know, and we do not any more, or never did in this run, is theirs and stays."""
        names = self.names(set())
        for known in (None, True, False):
            if known is not None:
                names.update(NAME, is_known=known)
            self.assertEqual(frozenset() if known else frozenset({NAME}), names.sharing([NAME]).staying)
        self.assertEqual(Sharing(), self.names({NAME}).sharing([NAME]), "nobody knows it: it may go")

    def test_alone(self) -> None:
        """A daemon that shares nothing keeps all."""
        self.assertIs(ALONE, EntryNames(Voice(), "").sharing([NAME]))
