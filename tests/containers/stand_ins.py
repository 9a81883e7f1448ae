"""Images by the names that compose.yaml has: mosquitto as Debian has it, the doubles of Frigate and go2rtc."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.containers.engine import build
from tests.processes import ROOT

#: What the image of Eclipse has beside the program: the folder, its owner.
_MOSQUITTO = """
FROM debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends mosquitto \\
    && install --directory --owner mosquitto --group mosquitto /mosquitto/data
VOLUME /mosquitto/data
CMD ["false"]
"""
#: Of Frigate and go2rtc: who they run as, what they find at their first start, which ports they have on all interfaces.
_DOUBLE = """
FROM localhost/camdetect
USER root
COPY tests /doubles/tests
COPY {file} /config/{file}
ENV PYTHONPATH=/doubles HOME=/tmp
VOLUME /config
ENTRYPOINT ["python", "-m", "tests.peers.{program}", {arguments}, "interface=0.0.0.0"]
CMD []
HEALTHCHECK NONE
"""
#: What Frigate writes where it finds no configuration (``DEFAULT_CONFIG`` in its config.py).
_FIRST_FRIGATE = """mqtt:
  enabled: False

cameras: {} # No cameras defined, UI wizard should be used
"""


def build_stand_ins(folder: Path) -> None:
    """After the image of camdetect itself, on which the doubles stand."""
    mosquitto = _context(folder / "mosquitto", _MOSQUITTO)
    build(mosquitto, "docker.io/library/eclipse-mosquitto:2")
    for program, name, arguments, file, content in (
        (
            "frigate",
            "ghcr.io/blakeblackshear/frigate:stable",
            '"5000", "/config/config.yml", "env=/run/secrets"',
            "config.yml",
            _FIRST_FRIGATE,
        ),
        ("go2rtc", "docker.io/alexxit/go2rtc:1.9.14", '"1984", "path=/config/go2rtc.yaml"', "go2rtc.yaml", ""),
    ):
        context = _context(folder / program, _DOUBLE.format(program=program, arguments=arguments, file=file))
        (context / file).write_text(content)
        for part in ("peers", "outputs"):
            shutil.copytree(
                ROOT / "tests" / part, context / "tests" / part, ignore=shutil.ignore_patterns("__pycache__", "test_*")
            )
        (context / "tests" / "__init__.py").touch()
        build(context, name)


def _context(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(text.lstrip())
    return folder
