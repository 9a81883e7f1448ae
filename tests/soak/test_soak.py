"""The compressed soak: every kind of deed, several times, in twenty minutes (``make faults``)."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.faults.account import BOOK, Account
from tests.lan.lab import REASON
from tests.soak.__main__ import CAMERAS, DOORS
from tests.soak.run import soak
from tests.soak.scenario import plan

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="needs nftables to lose frames"),
    pytest.mark.alone,  # how long the reactor does not come round is judged
]

SECONDS = 1200.0


@pytest.mark.long
def test_twenty_minutes(tmp_path: Path) -> None:
    """Nothing is lost, leaked, left untold or broken by us in twenty minutes of everything."""
    scenario = plan(random.randrange(1 << 30), SECONDS, cameras=CAMERAS, doors=DOORS)
    outcome = soak(tmp_path, scenario, cameras=CAMERAS, doors=DOORS, quiet=True)
    outcome.save(tmp_path / "run.json")
    account = outcome.account
    BOOK.append(
        Account(
            f"soak of 20 minutes, {len(scenario.deeds)} deeds",
            account.events,
            account.events - len(account.lost),
            len(account.lost),
            account.twice,
            stall_ms=max(one.lag for one in outcome.samples),
            rss_mb=outcome.samples[-1].rss / 1000,
            remark=f"events only, of {account.accepted} messages; {len(outcome.lost)} disconnections, "
            f"{len(outcome.ours)} of our making; seed {scenario.seed}",
        )
    )
    failed = [str(one) for one in outcome.verdicts if not one.holds]
    assert not failed, f"python -m tests.soak --hours {SECONDS / 3600} --seed {scenario.seed}\n" + "\n".join(failed)
