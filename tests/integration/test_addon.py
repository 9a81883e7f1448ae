"""The Home Assistant add-on without a container: what the Supervisor reads, and the script that hands options over."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.addon_rules import faults, option_faults, translation_faults, watched
from tests.processes import ROOT
from twisted_detector import __version__
from twisted_detector.config.config import Config
from twisted_detector.config.load import load

SOURCE = ROOT / "packaging" / "homeassistant"
SETTINGS = {name.upper() for name in Config.settings()}
OPTIONS: dict[str, Any] = {"logins": [], "networks": ["interfaces"], "page_on_network": False, "log_level": "info"}


def configuration() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((SOURCE / "config.yaml").read_text().replace("@VERSION@", __version__))
    return read


def test_configuration() -> None:
    """The Supervisor takes it whole, with the options that it has by itself; it gets no more rights than it needs."""
    read = configuration()
    assert list(faults(read)) == []
    assert read["options"] == OPTIONS
    assert (read["ingress"], read["privileged"], read["map"]) == (True, ["NET_RAW"], ["addon_config:rw"])
    # the watchdog and ingress ask where run.sh has the page
    assert watched(read) == ("172.30.32.1", read["ingress_port"], "/healthz")


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"logins": [{"username": "viewer", "password": "a,b:c"}]}, []),
        ({"logins": [{"username": "viewer"}]}, ["logins.password is missing"]),
        ({"logins": ["viewer:look"]}, ["logins is no table"]),
        ({"logins": [{"username": "a:b", "password": ""}]}, [r"logins.username is no match(^[^:#\[\s][^:\r\n]*$)"]),
        ({"log_level": "loud"}, ["log_level is no list(debug|info|warn|error|critical)"]),
        ({"mqtt_port": 70000}, ["mqtt_port is no port?"]),
        ({"page_token": "short"}, ["page_token is no password(16,)?"]),
        ({"exclude": ["10.0.0.0/8"], "frigate_url": "http://ccab4aaf-frigate:5000"}, []),
    ],
)
def test_options(options: Mapping[str, Any], refused: list[str]) -> None:
    """What a person may type, and where he is told that it cannot be."""
    assert list(option_faults(configuration()["schema"], {**OPTIONS, **options})) == refused


@pytest.mark.parametrize("language", ["en", "de"])
def test_translations(language: str) -> None:
    texts = yaml.safe_load((SOURCE / "translations" / f"{language}.yaml").read_text())
    assert list(translation_faults(configuration()["schema"], texts)) == []


def test_documented() -> None:
    """DOCS.md, which Home Assistant shows beside the options, has each of them."""
    text = (SOURCE / "DOCS.md").read_text()
    assert [name for name in configuration()["schema"] if f"`{name}`" not in text] == []


def handed_over(tmp_path: Path, options: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """What run.sh gives to camdetect, as a user that is not root, and what it says."""
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    data, folder = tmp_path / "data", tmp_path / "config"
    for each in (data, folder):
        each.mkdir()
        each.chmod(0o755)
    (data / "options.json").write_text(json.dumps({**OPTIONS, **options}))
    spy = tmp_path / "camdetect"
    spy.write_text('#!/bin/sh\n[ "$1" = run ] && { id -u; exec env; }\necho "# example of $*"\n')
    spy.chmod(0o755)
    done = subprocess.run(
        [SOURCE / "run.sh"],
        env={
            "PATH": os.environ["PATH"],
            "ADDON_DATA": str(data),
            "ADDON_CONFIG": str(folder),
            "ADDON_USER": "daemon",
            "CAMDETECT": str(spy),
            "SUPERVISOR_TOKEN": "token-of-the-supervisor",
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode:
        return {}, done.stderr
    user, *lines = done.stdout.splitlines()
    assert user != "0"
    return dict(line.split("=", 1) for line in lines if "=" in line), done.stdout


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """Another user may go through the folders of a test's own."""
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    folder.chmod(0o755)
    return folder


def test_handed_over(open_folder: Path) -> None:
    """Options are settings of ours; logins go in a file of one reader; the Supervisor's token goes no further."""
    try:
        given, said = handed_over(
            open_folder,
            {
                "logins": [
                    {"username": "viewer", "password": "a,b:c"},
                    {"username": "admin", "password": "s3cret#"},
                ],
                "networks": ["interfaces", "10.20.0.0/24"],
                "exclude": ["10.20.0.9"],
                "mqtt_broker": "broker.example.org",
                "mqtt_port": 8883,
                "frigate_url": "http://ccab4aaf-frigate:5000",
                "log_level": "warn",
            },
        )
        logins = Path(given["CAMERA_CREDENTIALS_FILE"])
        assert stat.S_IMODE(logins.stat().st_mode) == 0o600
        example = Path(given["CAMDETECT_CONFIG"])
        assert example.read_text() == "# example of config --example\n"
        assert stat.S_IMODE(example.stat().st_mode) == 0o600
        example.write_text("web_enabled = false\n")
        example.chmod(0o600)
        ours = {name: value for name, value in given.items() if name in SETTINGS or name.endswith("_FILE")}
        config = load({**ours, "CAMDETECT_CONFIG": str(example)}, hostname="addon")
        assert (config.mqtt.broker, config.mqtt.port) == ("broker.example.org", 8883)
        assert [(one.name, one.password.reveal()) for one in config.inspection.credentials] == [
            ("viewer", "a,b:c"),
            ("admin", "s3cret#"),
        ]
        assert config.discovery.scan_networks == ("interfaces", "10.20.0.0/24")
        assert (config.web.ingress, config.web.listen) == (True, ("172.30.32.1", configuration()["ingress_port"]))
        assert config.web.enabled, "whatever is in the file: the watchdog asks it"
        (plugins,) = config.plugin_path
        assert plugins == example.with_name("plugins")
        assert (plugins.stat().st_uid, stat.S_IMODE(plugins.stat().st_mode)) == (0, 0o755), "nobody else may write it"
        assert (config.log_level, config.frigate.url) == ("warn", "http://ccab4aaf-frigate:5000")
        assert "s3cret" not in said
        assert "token-of-the-supervisor" not in said
    finally:
        shutil.rmtree(open_folder)


def test_page_on_the_network(open_folder: Path) -> None:
    """It listens where ingress and the watchdog come, too."""
    try:
        given, _ = handed_over(open_folder, {"page_on_network": True})
        assert (given["WEB_LISTEN"], given["WEB_ALLOWED_HOSTS"]) == ("0.0.0.0:8787", "homeassistant.local")
        assert "CAMERA_CREDENTIALS_FILE" not in given
        assert "MQTT_BROKER" not in given, "there is no broker of Home Assistant's: camdetect has its own"
    finally:
        shutil.rmtree(open_folder)


def test_a_password_of_two_lines(open_folder: Path) -> None:
    """It would be two entries: it is refused in words, and not shown."""
    try:
        given, said = handed_over(open_folder, {"logins": [{"username": "a", "password": "first\nsecond:x"}]})
        assert given == {}
        assert "logins: a password cannot have a line break" in said
        assert "second" not in said
    finally:
        shutil.rmtree(open_folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make addon` makes, from a copy: building leaves folders behind."""
    from tests.integration.test_packages import OF_THE_PACKAGE, SHIPPED_BESIDE

    copy = tmp_path_factory.mktemp("source")
    for name in (*OF_THE_PACKAGE, *SHIPPED_BESIDE, ".ci"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
        else:
            shutil.copy(source, copy / name)
    folder = tmp_path_factory.mktemp("addon") / "addon"
    done = subprocess.run(
        [copy / ".ci" / "addon", sys.executable, folder], cwd=copy, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_repository(made: Path, tmp_path: Path) -> None:
    """As a git repository it can be added by its URL: repository.yaml at its root, one add-on found by its file."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(made)]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=x"]):
        subprocess.run([*git, *words], check=True, timeout=30)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", made.as_uri(), clone], check=True, timeout=30)
    assert set(yaml.safe_load((clone / "repository.yaml").read_text())) <= {"name", "url", "maintainer"}
    (found,) = clone.rglob("config.yaml")
    addon = found.parent
    assert yaml.safe_load(found.read_text())["version"] == __version__
    for name in ("DOCS.md", "CHANGELOG.md", "README.md", "translations/en.yaml", "translations/de.yaml"):
        assert (addon / name).read_text().strip(), name
    for name, size in (("icon.png", (128, 128)), ("logo.png", (250, 100))):
        head = (addon / name).read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", head[16:24]) == size
    assert os.access(addon / "run.sh", os.X_OK)
    text = (addon / "Dockerfile").read_text()
    assert f'io.hass.version="{__version__}"' in text
    for line in text.splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            assert all(list(addon.glob(source)) for source in line.split()[1:-1]), line
