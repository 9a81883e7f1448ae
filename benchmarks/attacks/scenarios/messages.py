"""Attacks over MQTT, by somebody who may publish on the broker."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.attacks.bed import COMMANDS, GENUINE_MAC, HEALTH, PORT, Bed
from benchmarks.attacks.figures import Figure
from tests.processes import wait_until

#: Bytes of the message; the client takes one MiB.
LARGE = 5 * 1024 * 1024
#: A filter in the log of `mosquitto -v`: a tab, the filter, its quality of service.
_FILTER = re.compile(r"^\d+: \t(\S+) \(QoS \d\)$", re.MULTILINE)
_CONNECTED = re.compile(r"New client connected from \S+ as (\S+)")


def _subscribed(text: str, listeners: frozenset[str] = frozenset({"#"})) -> list[str]:
    """The filters of the broker's log, but for those of the bench's own listener."""
    return sorted(set(_FILTER.findall(text)) - listeners)


def large_message(checkout: Path, *, after: float = 30.0) -> Iterator[Figure]:
    """One retained message of 5 MiB on a topic of each filter that the daemon subscribes to; then a restart."""
    with Bed(checkout, verbose_broker=True) as bed:
        bed.genuine()
        daemon = bed.daemon()
        bed.wait_for_status(GENUINE_MAC)
        bed.first_run_is_over()
        filters = _subscribed(bed.broker.text())
        large = bed.directory / "large"
        large.write_bytes(b"x" * LARGE)
        for each in filters:
            topic = each.replace("+", "evil").replace("#", "evil/evil")
            bed.host.run("mosquitto_pub", "-p", str(PORT), "-t", topic, "-r", "-q", "1", "-f", str(large))
        time.sleep(after / 2)
        live = _connects(bed)
        daemon.end()
        mark = len(bed.broker.text())
        began = time.time()
        bed.daemon()
        time.sleep(after)
        again = _connects(bed, mark)
        told = [one.json for one in bed.listener.on(HEALTH) if one.at > began]
        void = "" if filters else "no subscription was seen"
        title = f"a retained message of 5 MiB on each of {len(filters)} filters"
        yield Figure(title, "reconnects while it is published", max(0, live - 1), 0, void=void)
        yield Figure(
            title,
            f"reconnects in {after:.0f} s after a restart",
            max(0, again - 1),
            0,
            remark=f"health documents afterwards: {len(told)}",
            void=void or ("" if again else "it never connected"),
        )


def _connects(bed: Bed, since: int = 0) -> int:
    """How often the daemon connected: whoever connected is neither the listener nor a publisher."""
    names = _CONNECTED.findall(bed.broker.text()[since:])
    return len([name for name in names if not name.startswith(("auto-", "mosq-"))])


def retained_command(checkout: Path, *, commands: Sequence[str] = ("rescan", "forget")) -> Iterator[Figure]:
    """Commands that stand on the broker when the daemon starts, twice with each."""
    with Bed(checkout) as bed:
        bed.genuine()
        daemon = bed.daemon()
        bed.wait_for_status(GENUINE_MAC)
        bed.first_run_is_over()
        daemon.end()
        obeyed = 0
        for command in commands:
            text = f'{{"id":7,"command":"{command}","camera_id":"{GENUINE_MAC.replace(":", "")}"}}'
            bed.host.run("mosquitto_pub", "-p", str(PORT), "-t", COMMANDS, "-r", "-m", text)
            for _ in range(2):
                began = time.time()
                daemon = bed.daemon()
                bed.first_run_is_over()
                time.sleep(3)
                obeyed += len(_results(bed, began, ok=True))
                daemon.end()
        # The control: one that is not retained is obeyed.
        bed.host.run("mosquitto_pub", "-p", str(PORT), "-t", COMMANDS, "-r", "-n")
        began = time.time()
        daemon = bed.daemon()
        bed.first_run_is_over()
        bed.command(command="rescan")
        void = ""
        try:
            wait_until(lambda: _results(bed, began, ok=True), 20, "an answer to a command", interval=0.2)
        except AssertionError:
            void = "no command is obeyed at all"
        yield Figure(f"retained commands, {2 * len(commands)} starts", "times obeyed", obeyed, 0, void=void)


def _results(bed: Bed, since: float, *, ok: bool) -> list[object]:
    return [one.json for one in bed.listener.on(f"{COMMANDS}/result") if one.at > since and one.json["ok"] is ok]
