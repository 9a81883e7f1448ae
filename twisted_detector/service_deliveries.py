"""The configuration goes in; the deliveries to Frigate's and go2rtc's files and APIs come out."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from twisted.internet.threads import deferToThreadPool

from twisted_detector.followers.env_file import EnvDelivery
from twisted_detector.followers.files import FileDelivery
from twisted_detector.followers.frigate_api import FrigateApi
from twisted_detector.followers.go2rtc_api import Go2rtcApi
from twisted_detector.followers.http import Http, basic
from twisted_detector.following import IDelivery
from twisted_detector.interfaces import MakerContext
from twisted_detector.outputs.frigate import fit
from twisted_detector.outputs.merging import difference, is_ours, merge_section, without_logins


def _in_thread(context: MakerContext) -> Any:
    """Disks may be slow, and YAML of a thousand cameras takes seconds: neither on the reactor's thread."""
    return partial(deferToThreadPool, context.reactor, context.reactor.getThreadPool())


def of_frigate(context: MakerContext) -> dict[str, list[IDelivery]]:
    """Its files and its API, as the configuration names them."""
    config = context.config
    if not config.frigate_update_enabled:
        return {}
    merge = partial(merge_section, "cameras")
    in_thread = _in_thread(context)
    found: dict[str, list[IDelivery]] = {"frigate_env": [], "frigate": []}
    if config.frigate_config_path is not None:
        path = config.frigate_config_path
        found["frigate"].append(FileDelivery("frigate-file", path, merge=merge, differ=difference, in_thread=in_thread))
    if config.frigate_url:
        found["frigate"].append(
            FrigateApi(
                Http(context.reactor, config.frigate_url, insecure=config.frigate_tls_insecure),
                config.frigate_url,
                merge=merge,
                differ=difference,
                fit=fit,
                clean=without_logins,
                in_thread=in_thread,
                monotonic=time.monotonic,
                user=config.frigate_user,
                password=config.frigate_password,
                token=config.frigate_token,
                restart=config.frigate_restart,
            )
        )
    # Passwords are put on a disk only where something there refers to them.
    wanted = config.frigate_env_path or (config.state_dir / "frigate.env" if found["frigate"] else None)
    if wanted is not None and not config.publish_credentials:
        found["frigate_env"].append(EnvDelivery("frigate-env", wanted, in_thread=in_thread))
    return found


def of_go2rtc(context: MakerContext) -> dict[str, list[IDelivery]]:
    """Its file and its API, as the configuration names them."""
    config = context.config
    in_thread = _in_thread(context)
    found: dict[str, list[IDelivery]] = {"go2rtc_env": [], "go2rtc": [], "go2rtc_live": []}
    if config.go2rtc_config_path is not None:
        found["go2rtc"].append(
            FileDelivery(
                "go2rtc-file",
                config.go2rtc_config_path,
                merge=partial(merge_section, "streams", prefix=config.go2rtc_prefix),
                differ=difference,
                in_thread=in_thread,
            )
        )
    if config.go2rtc_url:
        found["go2rtc_live"].append(
            Go2rtcApi(
                Http(context.reactor, config.go2rtc_url),
                config.go2rtc_url,
                ours=partial(is_ours, prefix=config.go2rtc_prefix),
                keep_logins=config.publish_credentials,
                login=basic(config.go2rtc_user, config.go2rtc_password),
            )
        )
    wanted = config.go2rtc_env_path or (config.state_dir / "go2rtc.env" if found["go2rtc"] else None)
    if wanted is not None and not config.publish_credentials:
        found["go2rtc_env"].append(EnvDelivery("go2rtc-env", wanted, in_thread=in_thread))
    return found
