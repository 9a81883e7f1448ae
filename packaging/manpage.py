"""The manual page of the command line, in troff on standard output, made of the parser."""

from __future__ import annotations

import os
import re
import sys

from argparse_manpage.manpage import Manpage

from twisted_detector.cli.grammar import build_parser


def manpage() -> str:
    """The page. Its date is left out, so that it changes with the parser alone."""
    os.environ["COLUMNS"] = "80"  # argparse folds by it
    parser = build_parser()
    parser.man_short_description = "find IP cameras and tell the truth about them over MQTT"
    data = {
        "prog": "camdetect",
        "project_name": "camdetect",
        "description": parser.man_short_description,
        "manual_section": 1,
        "manual_title": "camdetect",
    }
    page = str(Manpage(parser, _data=data, format="single-commands-section"))
    return re.sub(r'(?m)^(\.TH CAMDETECT "1") "[^"]*"', r'\1 ""', page, count=1)


if __name__ == "__main__":
    sys.stdout.write(manpage())
