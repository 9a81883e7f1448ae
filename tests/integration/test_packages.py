"""The packages as a user gets them: a wheel installed elsewhere, the unit, the files of container and add-on."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lan.lab import REASON, Lab
from tests.processes import ROOT
from twisted_detector import __version__
from twisted_detector.cli.grammar import build_parser
from twisted_detector.config.config import Config

SETTINGS = {name.upper() for name in Config.settings()}
PACKAGING = ROOT / "packaging"
OF_THE_PACKAGE = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "twisted_detector", "twisted")
SHIPPED_BESIDE = ("CHANGELOG.md", "docs", "packaging")


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building leaves folders behind."""
    copy = tmp_path_factory.mktemp("source")
    for name in (*OF_THE_PACKAGE, *SHIPPED_BESIDE):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
        else:
            shutil.copy(source, copy / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("camdetect-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return target


def test_nothing_is_missing(wheel: Path) -> None:
    """The wheel has every file of the package, data included, and none of the tests."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        str(path.relative_to(ROOT))
        for folder in ("twisted_detector", "twisted")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "dropin.cache"
    }
    assert expected - packed == set()
    shared = {name.partition(".data/data/share/")[2] for name in packed if ".data/data/share/" in name}
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    assert {f"doc/camdetect/{page}" for page in pages} | {
        "doc/camdetect/README.md",
        "doc/camdetect/CHANGELOG.md",
        "man/man1/camdetect.1",
        "camdetect/camdetect.service",
        "camdetect/camdetect.toml",
    } <= shared
    assert not [name for name in packed if name.startswith(("tests/", "plugins/"))]


def run_installed(installed: Path, *words: str) -> str:
    """What Python prints that sees the installed package and not the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *words], cwd="/", env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed(installed: Path) -> None:
    """What is installed runs from anywhere: its command line, and its plugin for twistd."""
    assert run_installed(installed, "-m", "twisted_detector.cli", "--version").split() == ["camdetect", __version__]
    told = run_installed(
        installed,
        "-c",
        "import twisted_detector; from twisted.plugin import getPlugins;"
        " from twisted.application.service import IServiceMaker;"
        " print(twisted_detector.__file__, [one.tapname for one in getPlugins(IServiceMaker)])",
    )
    assert told.startswith(str(installed))
    assert "'camdetect'" in told


def test_plugins_of_another_distribution(installed: Path, tmp_path: Path) -> None:
    """Beside an installed package, ``plugins`` is whoever's: no file in it is imported."""
    trace = tmp_path / "imported"
    folder = installed / "plugins"
    folder.mkdir()
    try:
        (folder / "camdetect_other.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
        script = (
            "from twisted_detector.interfaces import IServiceExtension\n"
            "from twisted_detector.service.extensions import loader\n"
            "assert str(loader.CHECKOUT_PLUGINS) == " + repr(str(folder)) + "\n"
            "loader.look_for_plugins(())\n"
            "print(len(loader.makers(IServiceExtension)), loader.broken())\n"
        )
        told = run_installed(installed, "-c", script).split()
    finally:
        shutil.rmtree(folder)
    assert int(told[0]) > 3
    assert told[1:] == ["{}"]
    assert not trace.exists()


def test_new_plugin(installed: Path, tmp_path: Path) -> None:
    """An installed package writes a plugin whose test passes; a distribution beside it brings one by an entry point."""
    cli = ("-m", "twisted_detector.cli")
    said = run_installed(installed, *cli, "new-plugin", "acme", "--kind", "service", "--folder", str(tmp_path))
    assert "PLUGIN_PATH=" in said
    run_installed(installed, str(tmp_path / "test_acme.py"))
    information = installed / "acme_camdetect-2.0.dist-info"
    information.mkdir()
    try:
        shutil.move(tmp_path / "acme.py", installed / "acme_camdetect.py")
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-camdetect\nVersion: 2.0\n")
        (information / "entry_points.txt").write_text("[camdetect.plugins]\nacme = acme_camdetect:maker\n")
        (found,) = [
            one for one in json.loads(run_installed(installed, *cli, "plugins", "--json")) if not one["is_builtin"]
        ]
    finally:
        shutil.rmtree(information)
        (installed / "acme_camdetect.py").unlink()
    assert (found["name"], found["kinds"], found["state"]) == ("acme", ["service"], "loaded")
    assert found["package"] == "acme_camdetect 2.0"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    if REASON:
        pytest.skip(REASON)
    with Lab(tmp_path) as lab:
        yield lab


def test_supervised(lab: Lab, installed: Path) -> None:
    """Under systemd's protocol it says when it is ready, how it stands and that it ends, and ends with status 0."""
    host = lab.host("daemon", "10.77.1.1", "02:00:00:00:01:01")
    path = lab.directory / "notify"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as line:
        line.bind(str(path))
        line.settimeout(20)
        daemon = host.start(
            sys.executable,
            "-m",
            "twisted_detector.cli",
            "run",
            environment={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(installed),
                "STATE_DIR": str(lab.directory / "state"),
                "XDG_RUNTIME_DIR": str(lab.directory),
                "NOTIFY_SOCKET": str(path),
                "WATCHDOG_USEC": "2000000",
            },
        )
        assert line.recv(4096) == b"READY=1", daemon.text()
        heard = [line.recv(4096).decode() for _ in range(3)]
        assert all(one.startswith("WATCHDOG=1") for one in heard), heard
        assert any("STATUS=cameras: none yet" in one for one in heard), heard
        daemon.signal(15)
        last = line.recv(4096)
        while last.startswith(b"WATCHDOG=1"):
            last = line.recv(4096)
        assert last == b"STOPPING=1"
        assert daemon.wait(10) == 0, daemon.text()


def test_unit(tmp_path: Path) -> None:
    """systemd takes the unit without a word, and calls its exposure low."""
    text = (PACKAGING / "systemd" / "camdetect.service").read_text()
    unit = tmp_path / "camdetect.service"
    # what it starts is not installed on this machine; verify looks whether it is there
    unit.write_text(re.sub(r"^(ExecStart|ExecReload)=\S+", r"\1=/bin/true", text, flags=re.MULTILINE))
    analyze = program("systemd-analyze")
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    judge = [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    done = subprocess.run(judge, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    words = re.search(r"^ExecStart=\S+/camdetect (.+)$", text, re.MULTILINE)
    assert words
    build_parser().parse_args(words[1].split())


def instructions(path: Path) -> list[tuple[str, str]]:
    """(word, rest) of each instruction of a Dockerfile, continued lines joined."""
    text = path.read_text().replace("\\\n", " ")
    return [
        (line.split(maxsplit=1)[0].upper(), line.split(maxsplit=1)[1])
        for line in text.splitlines()
        if line.strip() and not line.startswith("#")
    ]


def test_container() -> None:
    """The image is made of files that are there and let through, runs as nobody special, and asks what we answer."""
    steps = instructions(ROOT / "Dockerfile")
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for word, rest in steps:
        if word == "COPY" and not rest.startswith("--from="):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in let_through, source
    # By number: Kubernetes sees from that alone that it is not root.
    assert [rest for word, rest in steps if word == "USER"] == ["10001:10001"]
    (check,) = [rest for word, rest in steps if word == "HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[0] == "camdetect"
    build_parser().parse_args(command[1:])
    extras = re.findall(r"'\.\[([a-z,]+)\]'", (ROOT / "Dockerfile").read_text())
    assert extras
    assert {extra for some in extras for extra in some.split(",")} <= set(optional_dependencies())
    for variable in (rest for word, rest in steps if word == "ENV"):
        assert {one.split("=")[0] for one in variable.split()} <= SETTINGS | {
            "PATH",
            "PYTHONUNBUFFERED",
            "PYTHONDONTWRITEBYTECODE",
        }


def optional_dependencies() -> dict[str, Any]:
    import tomllib

    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return found


def test_compose() -> None:
    """The compose file is one by its schema, gives settings that exist, opens no port that wants no login, and has no
    password; what it does is seen by `make containers`.
    """
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(ROOT / "compose.yaml")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = services["camdetect"]
    assert {name.removesuffix("_FILE") for name in ours["environment"]} <= SETTINGS
    assert ours["network_mode"] == "host"
    assert (ours["cap_drop"], ours["read_only"]) == (["ALL"], True)
    assert "plugins:/etc/camdetect/plugins" in ours["volumes"]
    assert "install --directory /etc/camdetect/plugins" in (ROOT / "Dockerfile").read_text()
    assert (ours["volumes"][1], ours["environment"]["MQTT_PASSWORD_FILE"]) == (
        "broker-password:/broker:ro",
        "/broker/password",
    )
    ports = [str(port) for service in services.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == ["8971:8971"]
    words = {name for service in services.values() for name in service.get("environment", {}) if "PASSWORD" in name}
    assert words == {"MQTT_PASSWORD_FILE"}
