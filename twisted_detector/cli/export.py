"""``camdetect export``: the cameras in the format of another program."""

from __future__ import annotations

from functools import partial
from typing import Any, TextIO

from twisted_detector.cli.cameras import require_state
from twisted_detector.cli.subcommand import run_reactor, subcommand
from twisted_detector.config.config import Config
from twisted_detector.operations.control_client import NotRunning, send_request
from twisted_detector.operations.export import (
    accepted_login,
    export as export_cameras,
    stored_cameras,
    withheld_reason,
)


@subcommand("export")
def export(reactor: Any, config: Config, name: str, *, consumer: str, diff: bool, out: TextIO, err: TextIO) -> int:
    """Write what the running daemon exports, else what its directory gives; exit status 1 when neither can be read."""
    request: dict[str, Any] = {"command": "export", "format": name, **({"diff": True} if diff else {})}
    request |= {"for": consumer} if consumer else {}
    try:
        exported = send_request(config.state_dir, request)
    except NotRunning:
        if diff:
            raise NotRunning(f"no daemon answers at {config.state_dir}: only it knows what would change") from None
        require_state(config.state_dir)
        cameras, budget = run_reactor(reactor, stored_cameras(reactor, config))
        login_of, withheld = partial(accepted_login, budget), partial(withheld_reason, budget)
        exported = export_cameras(
            name, cameras, login_of, config, tags=budget.fingerprints, withheld=withheld, consumer=consumer
        )
    out.write(str(exported["text"]))
    return 0
