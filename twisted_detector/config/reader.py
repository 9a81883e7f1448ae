"""Reader of all sources of settings: the environment, a TOML file and secret files.

Which settings there are is an argument: this module knows sources, not names. An empty variable counts as not set
(that is what ``${NAME:-}`` in a compose file gives). The environment wins over the file, and both over what was set on
the page; tables of consumers (``[frigate.NAME]``) stand in the file alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twisted_detector.config.declarations import Setting
from twisted_detector.config.kinds import Kind, ValueRefused
from twisted_detector.model.decisions import PAGE

#: The largest file that is read: a bundle of all public CAs has a quarter of a megabyte.
MAX_FILE_BYTES = 4_194_304

#: A given value in a fault is cut here.
_MAX_SHOWN = 80

#: Unknown variables are other programs' affair, except those that begin as ours do and read like one of ours.
_OUR_PREFIXES = ("MQTT_", "CAMERA_", "SCAN_", "DISCOVERY_", "CAMDETECT_")
#: Names that people write by habit, and that no measure of likeness leads to the right one.
_HABITS = MappingProxyType(
    {
        "MQTT_HOST": "MQTT_BROKER",
        "MQTT_SERVER": "MQTT_BROKER",
        "MQTT_HOSTNAME": "MQTT_BROKER",
        "MQTT_URL": "MQTT_BROKER",
        "MQTT_USER": "MQTT_USERNAME",
        "MQTT_PASS": "MQTT_PASSWORD",
        "CAMERA_USER": "CAMERA_USERNAME",
        "CAMERA_PASS": "CAMERA_PASSWORD",
    }
)

CONFIG_FILE = "CAMDETECT_CONFIG"


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file and its permission bits."""

    data: bytes = field(repr=False)
    mode: int = 0o600


ReadFile = Callable[[Path], FileContent]


@dataclass(frozen=True, slots=True)
class Tables:
    """Which tables ``[<program>.NAME]`` there may be in the file.

    :ivar settings: by program and by key in its tables.
    :ivar name: what a NAME must match.
    """

    settings: Mapping[str, Mapping[str, Setting]]
    name: re.Pattern[str]


#: Tables of one program: a site has a handful, and each is asked and told for ever.
MAX_TABLES = 32
_NO_TABLES = Tables({}, re.compile(""))


def read_file(path: Path) -> FileContent:
    """Read a whole regular file.

    :raises OSError: it cannot be read, is no regular file, or is larger than MAX_FILE_BYTES.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # before opening: opening a FIFO would wait
        raise OSError("not a regular file")
    with path.open("rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise OSError(f"larger than {MAX_FILE_BYTES} bytes")
    return FileContent(data=data, mode=stat.S_IMODE(mode))


def why(error: OSError) -> str:
    """The reason of an OSError in words, without the path that stands beside it anyhow."""
    return error.strerror or str(error)


@dataclass(slots=True)
class Reading:
    """The outcome: values by key, the keys that were given at all, and all that was wrong or odd.

    :ivar tables: by program and name of a table, its values by key of the setting.
    :ivar sources: by key of each setting that was given, where: "environment", "file", or either with the variable or
        key that names the file of a secret; or "page".
    """

    values: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    sources: dict[str, str] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    plugin_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

    def refuse(self, variable: str, given: str, allowed: str) -> None:
        """Note a fault of ``variable``; ``given`` is as it may be shown."""
        self.faults.append(f"{variable}{' = ' + given if given else ''}: {allowed}")
        self.faulty.add(variable.lower())


def shown(value: object, *, secret: bool) -> str:
    """A given value as a fault may show it: masked when secret, and so the login part of a URL in any case."""
    if secret:
        return "***"
    text = ascii(value)
    scheme, slashes, rest = text.partition("//")
    _login, at, host = rest.rpartition("@")
    if slashes and at:
        text = f"{scheme}//***@{host}"
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def must_be(kind: Kind[Any], refusal: ValueRefused) -> str:
    """What is allowed, and what is wrong where that does not say it."""
    return f"must be {kind.allowed}" + (f"; {refusal}" if str(refusal) else "")


class _Lines(dict[int, str]):
    """Entries of a file, each with the number of its line: comments and empty lines are none."""

    @property
    def texts(self) -> list[str]:
        return list(self.values())

    def told(self, refusal: ValueRefused) -> str:
        """What is wrong, with the number that an editor shows in place of the entry's."""
        numbers = list(self)
        return re.sub(r"\bentry (\d+)\b", lambda found: f"line {numbers[int(found[1]) - 1]}", str(refusal))


class Reader:
    """Reads all settings once.

    :param settings: by key, in the order in which they are read.
    :param page: values that were set on the page, by key.
    """

    def __init__(
        self,
        settings: Mapping[str, Setting],
        environ: Mapping[str, str],
        *,
        read_file: ReadFile,
        tables: Tables = _NO_TABLES,
        page: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._page = page
        self._environ = environ
        self._read_file = read_file
        self._reading = Reading()

    def read(self) -> Reading:
        """Gather, read and judge every setting."""
        table = self._table()
        for name, setting in self._settings.items():
            self._setting(name, setting, table)
        self._typing_errors()
        return self._reading

    # --- The TOML file ------------------------------------------------------------------------------------------------

    def _table(self) -> dict[str, Any]:
        where = self._environ.get(CONFIG_FILE, "")
        if not where:
            return {}
        content = self._content(CONFIG_FILE, where)
        if content is None:
            return {}
        import tomllib  # only where there is such a file

        try:
            table = tomllib.loads(content.data.decode("utf-8"))
        except UnicodeDecodeError:
            return self._no_table(where, "it is not UTF-8")
        except tomllib.TOMLDecodeError as error:
            return self._no_table(where, str(error))
        except RecursionError:
            return self._no_table(where, "it is nested too deeply")
        self._plugins(table.pop("plugins", {}))
        secrets = self._consumers(table, where)
        known = self._known()
        for key in sorted(set(table) - known):
            guess = _guess(key.lower(), known)
            self._reading.refuse(key, "", f"unknown in {where}" + (f"; is {guess} meant?" if guess else ""))
            del table[key]
        secrets += sorted(key for key in table if key in self._settings and self._settings[key].secret)
        if secrets and content.mode & 0o077:
            self._reading.refuse(
                CONFIG_FILE,
                ascii(where),
                f"has {', '.join(secrets)} but may be read by others (mode {content.mode:04o}); chmod 600 it",
            )
        return table

    def _no_table(self, where: str, why_not: str) -> dict[str, Any]:
        self._reading.refuse(CONFIG_FILE, ascii(where), f"must be a TOML file; {why_not}")
        return {}

    def _known(self) -> set[str]:
        files = {f"{name}_file" for name, setting in self._settings.items() if setting.secret}
        return (set(self._settings) | files) - {CONFIG_FILE.lower()}

    def _plugins(self, tables: object) -> None:
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            self._reading.refuse("plugins", "", "must hold tables only: [plugins.<name>]")
            return
        self._reading.plugin_settings = MappingProxyType(
            {name: MappingProxyType(dict(table)) for name, table in tables.items()}
        )

    # --- Tables of consumers ------------------------------------------------------------------------------------------

    def _consumers(self, table: dict[str, Any], where: str) -> list[str]:
        """Read, and take out of the file's table, the tables ``[<program>.NAME]``; the secrets that stand in them."""
        secrets: list[str] = []
        for program, settings in self._tables.settings.items():
            found = table.pop(program, {})
            if not isinstance(found, dict):
                self._reading.refuse(program, "", f"must hold tables only: [{program}.NAME]")
                continue
            if len(found) > MAX_TABLES:
                self._reading.refuse(f"[{program}]", "", f"at most {MAX_TABLES} tables [{program}.NAME]")
                continue
            for name, given in found.items():
                title = f"[{program}.{name}]"
                if not isinstance(given, dict):
                    meant = f"; is {program}_{name} meant?" if name in settings else ""
                    self._reading.refuse(
                        f"[{program}] {_cut(name)}", "", f"stands in a table without a name: [{program}.NAME]{meant}"
                    )
                elif not self._tables.name.fullmatch(name):
                    allowed = "a name must be 1 to 32 letters, digits, '-' and '_'"
                    self._reading.refuse(f"[{program}.{_cut(name)}]", "", allowed)
                else:
                    values = self._reading.tables.setdefault(program, {})[name] = {}
                    self._consumer(title, settings, given, values, where)
                    secrets += [f"{title} {key}" for key in given if key in settings and settings[key].secret]
        return secrets

    def _consumer(
        self, title: str, settings: Mapping[str, Setting], given: dict[str, Any], values: dict[str, Any], where: str
    ) -> None:
        known = {*settings, *(f"{key}_file" for key, setting in settings.items() if setting.secret)}
        for key in sorted(set(given) - known):
            guess = _guess(key.lower(), known)
            meant = f"unknown in {where}" + (f"; is {guess} meant?" if guess else "")
            self._reading.refuse(f"{title} {_cut(key)}", "", meant)
        for key, setting in settings.items():
            label = f"{title} {key}"
            found = self._given(label, f"{label}_file", setting, given.get(key, ""), given.get(f"{key}_file", ""))
            if found is not None:
                values[setting.key] = found

    # --- One setting --------------------------------------------------------------------------------------------------

    def _setting(self, name: str, setting: Setting, table: Mapping[str, Any]) -> None:
        variable = name.upper()
        # the environment wins as a whole: a value there also wins over a file that is named in the TOML file
        value: object = self._environ.get(variable, "")
        path: object = self._environ.get(f"{variable}_FILE", "") if setting.secret else ""
        source, of_secret = "environment", f"{variable}_FILE"
        if value == "" and path == "":
            value, path = table.get(name, ""), table.get(f"{name}_file", "")
            source, of_secret = "file", f"{name}_file"
        if value == "" and path == "":
            value, source = self._page.get(name, ""), PAGE
        if value != "" or path != "":
            self._reading.sources[name] = source if path == "" else f"{source}, {of_secret}"
        found = self._given(variable, f"{variable}_FILE", setting, value, path)
        if found is not None:
            self._reading.values[name] = found

    def _given(self, label: str, file_label: str, setting: Setting, value: object, path: object) -> Any:
        """The value of one setting; None where none was given, or a fault.

        :param label: what people call it; ``file_label``: what they call the one that names its file.
        :param path: of the file that has the value, "" for none.
        """
        if path != "":
            if value != "" or not isinstance(path, str):
                wrong = f"give this or {file_label}, not both" if value != "" else "must be a path"
                self._reading.refuse(label if value != "" else file_label, "", wrong)
                self._reading.faulty.add(label.lower())
                return None
            self._reading.given.add(label.lower())
            value = self._secret_file(file_label, path, private=setting.private_file)
            if value is None:
                self._reading.faulty.add(label.lower())
                return None
        if value == "":
            return None
        self._reading.given.add(label.lower())
        try:
            return _read(setting, value if not isinstance(value, _Lines) else value.texts)
        except ValueRefused as refusal:
            if path == "":
                self._reading.refuse(label, shown(value, secret=setting.secret), must_be(setting.kind, refusal))
            else:
                what = value.told(refusal) if isinstance(value, _Lines) else must_be(setting.kind, refusal)
                self._reading.refuse(file_label, ascii(path), what)
                self._reading.faulty.add(label.lower())
            return None

    def _secret_file(self, variable: str, where: str, *, private: bool) -> str | _Lines | None:
        content = self._content(variable, where)
        if content is None:
            return None
        if private and content.mode & 0o077:
            self._reading.refuse(
                variable, ascii(where), f"may be read by others (mode {content.mode:04o}); chmod 600 it"
            )
            return None
        try:
            text = content.data.decode("utf-8")
        except UnicodeDecodeError:
            self._reading.refuse(variable, ascii(where), "the file must be UTF-8")
            return None
        if private:
            lines = enumerate((line.removesuffix("\r") for line in text.split("\n")), 1)
            found: str | _Lines = _Lines({n: line for n, line in lines if line.strip() and not line.startswith("#")})
        else:
            found = text.removesuffix("\n").removesuffix("\r")
        if not found:
            self._reading.refuse(variable, ascii(where), "the file is empty")
            return None
        return found

    def _content(self, variable: str, where: str) -> FileContent | None:
        try:
            return self._read_file(Path(where))
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            reason = why(error) if isinstance(error, OSError) else str(error)
            self._reading.refuse(variable, ascii(where), f"cannot be read: {reason}")
            return None

    # --- Names that are nearly ours -----------------------------------------------------------------------------------

    def _typing_errors(self) -> None:
        known = {name.upper() for name in self._known()} | {CONFIG_FILE}
        for variable in sorted(set(self._environ) - known):
            if not variable.startswith(_OUR_PREFIXES):
                continue
            guess = _HABITS.get(variable) or _guess(variable, known)
            if guess:
                self._reading.warnings.append(f"{variable} is not a setting and is ignored; is {guess} meant?")


def _cut(name: str) -> str:
    """A key that may be anything, as a fault may show it."""
    return name if name.isascii() and name.isprintable() and len(name) <= _MAX_SHOWN else ascii(name)[:_MAX_SHOWN]


def _guess(name: str, known: Iterable[str]) -> str:
    """The known name that ``name`` was probably meant to be, or ""."""
    from difflib import get_close_matches  # only after a mistake

    # 0.8: one letter too many, too few or wrong in a name of five; unrelated words with a common prefix stay apart
    return next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.8)), "")


def _read(setting: Setting, value: object) -> Any:
    """The value of what was given: text, or one of the TOML types that its kind takes.

    :raises ValueRefused: it is not allowed.
    """
    kind = setting.kind
    if isinstance(value, str):
        return kind.read(value)
    if isinstance(value, list) and kind.read_many is not None:
        if not all(isinstance(entry, str) for entry in value):
            raise ValueRefused("a list of texts")
        return kind.read_many(value)
    if isinstance(value, dict) and kind.read_table is not None:
        return kind.read_table(value)
    if type(value) not in kind.native:
        raise ValueRefused
    return kind.read(str(value).lower() if isinstance(value, bool) else str(value))
