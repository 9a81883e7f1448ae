"""The shorter attacks of the bench (``make attacks``), held by the tests: what a rogue gets, and what it steers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from benchmarks.attacks.figures import Figure
from benchmarks.attacks.scenarios import hearsay, logins, messages, quotas
from tests.lan.lab import REASON
from tests.processes import ROOT

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto and its clients"),
]


def held(figures: Iterator[Figure]) -> None:
    """Every figure is evidence, and within its bound."""
    failed = [str(figure) for figure in figures if not figure.holds]
    assert not failed, "\n".join(failed)


def test_a_wrong_login_is_sent_twice_at_most() -> None:
    """36 cameras that keep some operations open and close others, asked again at each Hello, and after a restart."""
    held(logins.wrong_login(ROOT, seconds=30))


def test_a_newcomer_is_given_no_login() -> None:
    """Basic, Digest, tokens, a relayed challenge, RTSP alone; and Frigate's and go2rtc's files hold none for it."""
    held(logins.newcomers(ROOT, watched=10, restart=False))


def test_who_was_there_at_the_first_run_cannot_steer_a_login() -> None:
    """No login to a target with an action, no token of another year, no password in clear."""
    held(logins.first_run(ROOT, watched=20))


def test_a_forged_address_of_a_service_is_not_asked_with_a_login() -> None:
    """Hello in the genuine camera's name, its XAddr an administrator's action."""
    held(hearsay.deputy(ROOT, after=8, known=(False,)))


@pytest.mark.long  # the room's own tests hold it in less time
def test_a_forged_bye_is_not_believed() -> None:
    """A camera that answers has not left; one that does not answer has."""
    held(hearsay.bye(ROOT, count=6))


@pytest.mark.long  # the room's own tests hold it in less time
def test_what_is_heard_off_the_link_is_not_asked() -> None:
    """A Hello from an address that is on no network of ours."""
    held(hearsay.off_link(ROOT, after=8))


@pytest.mark.long  # the room's own tests hold it in less time
def test_loopback_is_not_probed() -> None:
    """Nor is the address at which a cloud tells a machine its secrets."""
    held(hearsay.probe(ROOT, after=8))


def test_a_large_message_is_passed_over() -> None:
    """A retained message of 5 MiB on each filter: no reconnect, and the daemon goes on publishing."""
    held(messages.large_message(ROOT, after=8))


@pytest.mark.long  # the room's own tests hold it in less time
def test_a_retained_command_is_not_obeyed() -> None:
    """It would be obeyed at each connection."""
    held(messages.retained_command(ROOT, commands=("forget",)))


def test_one_peer_does_not_take_the_page_from_others() -> None:
    """Half requests without end: loopback and another peer are served."""
    held(quotas.page(ROOT, rounds=4))
