"""The command ``camdetect`` and its subcommands."""

from twisted_detector.cli.main import main as main
