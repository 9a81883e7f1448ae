"""A broker and a folder go in; what a Home Assistant core makes of it comes out as files, and its warnings on stdout.

Run with the Python of a virtual environment that has ``homeassistant`` (``.ci/homeassistant`` makes one). It is the
core with its registries and its MQTT integration, without what needs a user (login, front end, HTTP server).

    python homeassistant_core.py FOLDER HOST PORT

``FOLDER/snapshot.json`` holds devices, entities and states and is replaced whenever one of them changed;
``FOLDER/states.jsonl`` gets a line for each state as it is set. A file ``FOLDER/press`` with an entity id in it presses
that button; ``FOLDER/delete`` with the identifier of a device deletes that, as its page does on a press of Delete.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from pathlib import Path
from typing import Any

from homeassistant import bootstrap, config_entries, core, loader  # type: ignore[import-not-found]
from homeassistant.components import mqtt  # type: ignore[import-not-found]
from homeassistant.const import EVENT_STATE_CHANGED, __version__  # type: ignore[import-not-found]
from homeassistant.helpers import device_registry, entity_registry  # type: ignore[import-not-found]
from homeassistant.setup import async_setup_component  # type: ignore[import-not-found]


class _Views:
    """In the place of the HTTP server, which nobody here asks: components register their pages with it."""

    def register_view(self, view: object) -> None:
        """Nobody looks at it."""


def _save_entry(folder: Path, host: str, port: int) -> None:
    entry = {
        "entry_id": "broker",
        "version": 1,
        "domain": "mqtt",
        "title": host,
        "source": "user",
        "data": {"broker": host, "port": port, "discovery": True},
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "unique_id": None,
        "disabled_by": None,
    }
    (folder / "configuration.yaml").touch()
    storage = folder / ".storage"
    storage.mkdir(exist_ok=True)
    document = {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}
    (storage / "core.config_entries").write_text(json.dumps(document))


def _snapshot(hass: Any) -> dict[str, Any]:
    devices, entities = device_registry.async_get(hass), entity_registry.async_get(hass)
    return {
        "devices": {
            identifier: {
                "name": device.name,
                "manufacturer": device.manufacturer,
                "model": device.model,
                "sw_version": device.sw_version,
                "serial_number": device.serial_number,
                "configuration_url": device.configuration_url,
                "connections": sorted(map(list, device.connections)),
                "via": sorted(i for _, i in devices.async_get(device.via_device_id).identifiers)
                if device.via_device_id
                else [],
            }
            for device in devices.devices.values()
            for _, identifier in device.identifiers
        },
        "entities": {
            entity.unique_id: {
                "entity_id": entity.entity_id,
                "category": entity.entity_category,
                "disabled": bool(entity.disabled_by),
                "name": entity.original_name,
                "device_class": entity.original_device_class,
                "state": state.state if (state := hass.states.get(entity.entity_id)) else None,
                "attributes": dict(state.attributes) if state else {},
            }
            for entity in entities.entities.values()
        },
    }


async def _delete(hass: Any, identifier: str) -> None:
    """As ``config/device_registry/remove_config_entry`` of its websocket."""
    devices = device_registry.async_get(hass)
    device = devices.async_get_device(identifiers={("mqtt", identifier)})
    entry = hass.config_entries.async_get_entry("broker")
    if await mqtt.async_remove_config_entry_device(hass, entry, device):
        devices.async_update_device(device.id, remove_config_entry_id="broker")


async def main(folder: Path, host: str, port: int) -> None:
    _save_entry(folder, host, port)
    hass = core.HomeAssistant(str(folder))
    hass.config.skip_pip = True
    hass.http = _Views()
    hass.config.components |= {"http", "file_upload"}
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    states = (folder / "states.jsonl").open("a", buffering=1)

    @core.callback  # type: ignore[untyped-decorator]
    def note(event: Any) -> None:
        state = event.data["new_state"]
        line = {"at": time.time(), "entity_id": event.data["entity_id"], "state": state.state if state else None}
        states.write(json.dumps(line) + "\n")

    hass.bus.async_listen(EVENT_STATE_CHANGED, note)
    await hass.async_start()
    await async_setup_component(hass, "mqtt", {})
    if (entry := hass.config_entries.async_get_entry("broker")).state is not config_entries.ConfigEntryState.LOADED:
        sys.exit(f"the MQTT integration does not start: {entry.reason}")
    print("ready", __version__, flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    last, press, delete = "", folder / "press", folder / "delete"
    while not ended.is_set():
        text = json.dumps(_snapshot(hass), default=str)
        if text != last:
            last = text
            new = folder / "snapshot.new"
            new.write_text(text)
            new.replace(folder / "snapshot.json")
        if press.exists():
            entity_id = press.read_text()
            press.unlink()
            await hass.services.async_call("button", "press", {"entity_id": entity_id}, blocking=True)
        if delete.exists():
            await _delete(hass, delete.read_text())
            delete.unlink()
        await asyncio.sleep(0.1)
    await hass.async_stop(force=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
