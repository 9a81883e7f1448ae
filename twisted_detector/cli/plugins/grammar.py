"""Grammar of ``camdetect plugins`` and ``camdetect new-plugin``."""

from __future__ import annotations

from twisted_detector.cli.decisions.grammar import Commands

#: What ``new-plugin`` can write.
PLUGIN_KINDS = ("discoverer", "watcher", "inspector", "output", "listener", "service")


def add_plugins(commands: Commands) -> None:
    """Add both subcommands."""
    commands.add(
        "plugins",
        "list the plugins, why one is not loaded, and what each did",
        "Lists every plugin with its kinds, where it comes from, and whether the daemon loads it; if not, why: it is "
        "broken, it has no maker, its folder or file can be written by others, another one has its name, something it "
        "needs is missing, or PLUGINS does not name it. The running daemon tells what each did: its calls, sightings "
        "and messages, its errors, and where it held everything up.",
        examples=["camdetect plugins", "PLUGINS=jsonl camdetect plugins"],
        status="0 all plugins that are wanted are loaded; 1 one is not, or was disabled, or PLUGINS names one that "
        "nobody has",
        json="print the list as JSON",
    )
    new_plugin = commands.add(
        "new-plugin",
        "write a plugin to begin with, and its test",
        "Writes two files, NAME.py with a plugin that works and test_NAME.py with the contract that it must keep, and "
        "tells what to do next. Nothing is overwritten. Both go into the first folder of PLUGIN_PATH, else into "
        "plugins/ of a checkout, else into /etc/camdetect/plugins.",
        examples=["camdetect new-plugin acme --kind discoverer"],
        status="0 written; 1 not: a file is there already, the name is none, or the folder cannot be written",
    )
    new_plugin.add_argument("name", metavar="NAME", help="small letters, digits and _, as acme or acme_doorbell")
    new_plugin.add_argument("--kind", required=True, choices=PLUGIN_KINDS, help="what it is")
    new_plugin.add_argument("--folder", help="write the files there")
