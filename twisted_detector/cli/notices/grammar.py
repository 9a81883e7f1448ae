"""Grammar of ``camdetect notices``."""

from __future__ import annotations

from twisted_detector.cli.decisions.grammar import Commands

#: Ways of the built-in plugins; a plugin of yours may bring others.
WAY_WORDS = ("mqtt", "webhook", "ntfy", "mail", "telegram")


def add_notices(commands: Commands) -> None:
    """Add the subcommand."""
    notices = commands.add(
        "notices",
        "list notices, and test how they reach you",
        "Lists the notices that are open and the latest that are over (a camera is offline, frozen, new, …), and the "
        "ways they reach you. `camdetect notices test WAY` sends a test notice by one of them now: mqtt, webhook, "
        "ntfy, mail or telegram. A way is switched on by its settings (docs/operations/notices.md).",
        examples=["camdetect notices", "camdetect notices test mail"],
        status="0 done; 1 the test was not delivered, or no daemon runs",
        json="print notices and ways as JSON",
    )
    notices.add_argument("action", nargs="?", choices=("test",), help="send a test notice")
    notices.add_argument("way", nargs="?", metavar="WAY", help=f"the way to test: {', '.join(WAY_WORDS)}")
