"""Pages of cameras: in order, complete, bounded in number and in octets."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.operations.paging import MAX_LIMIT, MAX_OCTETS, page_of


def cameras(count: int) -> list[Camera]:
    found = [Camera(f"{number:05}", f"{number:05}", "10.0.0.9") for number in range(count)]
    random.Random(1).shuffle(found)
    return found


class PageTests(SynchronousTestCase):
    def test_all_pages(self) -> None:
        """Page after page, every camera comes once, by its id; the last page says that it is the last."""
        known = cameras(250)
        found: list[str] = []
        sizes: list[int] = []
        following: int | None = 0
        while following is not None:
            page = page_of(known, {"offset": following})
            found += [camera.id for camera in page.cameras]
            sizes.append(len(page.cameras))
            self.assertEqual(page.total, 250)
            following = page.next
        self.assertEqual((sizes, found), ([100, 100, 50], [f"{number:05}" for number in range(250)]))

    def test_fields(self) -> None:
        """``limit`` and ``offset`` are whole numbers with bounds; beyond the end is an empty last page."""
        known = cameras(5)
        self.assertEqual([one.id for one in page_of(known, {"offset": 1, "limit": 2}).cameras], ["00001", "00002"])
        self.assertEqual((page_of(known, {"offset": 9}).cameras, page_of(known, {"offset": 9}).next), ((), None))
        self.assertEqual(page_of([], {}).next, None)
        for wrong in ({"limit": 0}, {"limit": MAX_LIMIT + 1}, {"offset": -1}, {"limit": "5"}, {"limit": True},
                      {"offset": None}, {"offset": 2.0}, {"offset": 10**30}):  # fmt: skip
            with self.assertRaises(RemoteError):
                page_of(known, wrong)

    def test_large_cameras(self) -> None:
        """A page ends before it is too large, and its next begins there; one that is larger alone is a page."""
        page, written = page_of(cameras(9), {}).fill(lambda _: bytes(MAX_OCTETS // 4))
        self.assertEqual((len(page.cameras), len(written), page.next), (4, 4, 4))
        page, written = page_of(cameras(9), {"offset": 8}).fill(lambda _: bytes(2 * MAX_OCTETS))
        self.assertEqual((len(written), page.next), (1, None))
