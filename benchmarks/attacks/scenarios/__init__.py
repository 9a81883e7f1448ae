"""Scenarios by name, in the order of the table. Each takes the checkout under attack and yields its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.attacks.figures import Figure
from benchmarks.attacks.scenarios import hearsay, logins, messages, quotas

Scenario = Callable[[Path], Iterator[Figure]]

SCENARIOS: Mapping[str, Scenario] = {
    "wrong-login": logins.wrong_login,
    "newcomers": logins.newcomers,
    "first-run": logins.first_run,
    "deputy": hearsay.deputy,
    "bye": hearsay.bye,
    "off-link": hearsay.off_link,
    "probe": hearsay.probe,
    "large-message": messages.large_message,
    "retained-command": messages.retained_command,
    "known-cameras": quotas.known_cameras,
    "crowd": quotas.crowd,
    "wordy": quotas.wordy,
    "page": quotas.page,
}
