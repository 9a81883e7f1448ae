"""The declarations of the settings go in; docs/configuration.md comes out.

``python -m twisted_detector.config.reference_page > docs/configuration.md`` writes it anew; a test keeps it true.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.config.kinds import Setting

_HEAD = """\
# Configuration

<!-- Made by `make docs` from twisted_detector/config.py; a change here is lost. -->

Everything has a default; with nothing set, camdetect sweeps the networks of its own interfaces and talks to a broker
that it starts itself.

Settings come from environment variables and, when `CAMDETECT_CONFIG` names one, from a TOML file with the same names in
lower case; **the environment wins**. An empty variable counts as not set. A fault stops the start: one message on
standard error lists them all with name, given value (masked when secret) and what is allowed, and the exit status is 2.
Nothing is silently corrected. An unknown key in the file is a fault; an unknown variable is not ours, but one that
looks like a misspelt name of ours is warned of.

```toml
# camdetect.toml
mqtt_broker = "mqtt.example.org"
mqtt_username = "camdetect"
mqtt_password_file = "/run/secrets/mqtt"
scan_networks = ["interfaces", "10.20.0.0/24"]
camera_credentials_file = "/etc/camdetect/logins"

[plugins.jsonl]             # a table of its own for each plugin; its keys are the plugin's affair
path = "/var/log/camdetect.jsonl"
```

## Secrets

The settings marked *secret* are never shown: not in a log, not in a fault, not in `repr(config)`. Instead of each
`NAME`, `NAME_FILE` may name a file that has the value (Docker and systemd secrets); giving both is a fault.
`CAMERA_CREDENTIALS_FILE` has one `user:password` per line, `#` begins a comment line, and the file is refused
when anybody but its owner may read it (`chmod 600`). A TOML file that holds a secret is refused likewise.

## Which login for which camera

What stands under no heading is for every camera. A heading in brackets says for whom the logins below it are, until
the next one:

```
# /etc/camdetect/logins, chmod 600
viewer:look

[network 10.20.0.0/24]
admin:north-wing

[vendor hikvision]
admin:s3cret
operator:s3cret2

[camera 0200000000*]
root:pass
```

| heading | for |
|---|---|
| `[camera …]` | a MAC (with or without colons) or a camera's id; `*` stands for any letters, `?` for one |
| `[network …]` | the addresses of one network; cameras there are given logins though a router hides their MAC |
| `[vendor …]` | devices of one maker, by their own say, their server's, or their MAC's registration |
| `[default]` | every camera, as above the first heading |

The login that worked last on a camera is tried first, then those of `[camera]`, `[network]`, `[vendor]` and the rest,
of one kind in the order of the file. No more than two are tried within half an hour: see
[operations/logins.md](operations/logins.md). In the TOML file the same headings are the keys of a table:

```toml
[camera_credentials]        # a table stands after the plain settings
default = ["viewer:look"]
"network 10.20.0.0/24" = ["admin:north-wing"]
"vendor hikvision" = ["admin:s3cret", "operator:s3cret2"]
"camera 0200000000*" = "root:pass"
```

In `CAMERA_CREDENTIALS` they are entries of the list:
`CAMERA_CREDENTIALS="viewer:look,[vendor hikvision],admin:s3cret"`. A name that begins with `[` and a password that
ends with `]` would be a heading; there is no way to write such a login.
"""

_TAIL = """
## Differences from the predecessor

Names and defaults are those of wildfire-watch's `camera_detector`, except:

| variable | there | here | why |
|---|---|---|---|
| `MQTT_BROKER` | `mqtt_broker` | the embedded broker | the first run needs nothing |
| `CAMERA_USERNAME`, `CAMERA_CREDENTIALS` | `admin` and three guesses | none | guessing passwords locks cameras |
| `TLS_CA_PATH` | `/mnt/data/certs/ca.crt` | the system's CAs | the path exists on one kind of machine only |
| `FRIGATE_CONFIG_PATH` | `/config/frigate/cameras.yml` | no file | a file is written only where you say |
| bounds | corrected silently | a fault | you get what you wrote, or you are told |

`MQTT_RECONNECT_MIN` and `MQTT_RECONNECT_MAX` are short by default (0.25 s, doubled up to 3 s): a broker that is back is
used again within about three seconds, and for one machine that costs nothing. Raise the maximum where thousands of
clients share one broker.
"""


def _default(setting: Setting, default: Any) -> str:
    if setting.default_text:
        return setting.default_text
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if default and not setting.secret else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _groups() -> Iterator[str]:
    defaults = {each.name: each.default for each in fields(Config)}
    for name, setting in Config.settings().items():
        if setting.heading:
            yield f"\n## {setting.heading}\n\n| variable | default | allowed | what it is |\n|---|---|---|---|\n"
        what = setting.help
        if setting.secret:
            what += " *Secret.*"
        if setting.pending:
            what += " *No effect in this version.*"
        if setting.example:
            what += f" Example: `{setting.example}`"
        cells = (f"`{name.upper()}`", _default(setting, defaults[name]), setting.kind.allowed, what)
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |\n"


def page() -> str:
    """The whole document."""
    return _HEAD + "".join(_groups()) + _TAIL


if __name__ == "__main__":
    sys.stdout.write(page())
