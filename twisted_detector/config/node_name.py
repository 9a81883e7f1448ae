"""Default of NODE_ID: the host name with a suffix that STATE_DIR keeps, for many a board is called ``raspberrypi``.

The suffix is made at the first start (``service/ground.py``). A state directory of before there were suffixes has none
and gets none: topics that somebody has subscribed to stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import replace

from twisted_detector.config.config import Config

#: Name of the file in STATE_DIR, and what it says where the host name alone is used.
FILE, NO_SUFFIX = "node_suffix", "none"
_SUFFIX = re.compile(r"[0-9a-z]{1,16}")
#: Characters of NODE_ID at most.
_MAX_NAME = 64


def read_suffix(data: bytes) -> str | None:
    """The suffix that a file has, "" where there shall be none; None: the file says neither."""
    text = data[:64].decode("ascii", "replace").strip()
    if text == NO_SUFFIX:
        return ""
    return text if _SUFFIX.fullmatch(text) else None


def with_suffix(config: Config, suffix: str) -> Config:
    """``config``, whose NODE_ID is the host name, with the suffix; the client id follows where it was not set."""
    if not suffix:
        return replace(config, lacks_suffix=False)
    node_id = f"{config.node_id[: _MAX_NAME - 1 - len(suffix)]}-{suffix}"
    mqtt = config.mqtt
    if "mqtt_client_id" not in config.sources:
        mqtt = replace(mqtt, client_id=f"camdetect-{node_id}")
    return replace(config, node_id=node_id, mqtt=mqtt, lacks_suffix=False)
