"""Completion scripts for bash, zsh and fish, generated from the grammar of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from types import MappingProxyType

#: The metavar of an argument that is a file.
_FILE = "FILE"


@dataclass(frozen=True, slots=True)
class Option:
    """An option, or an argument without a name.

    :ivar names: ``--json``; empty for an argument.
    :ivar choices: its values, if there are few.
    :ivar takes_value: False for a flag.
    :ivar is_repeated: there may be more values than one.
    """

    names: tuple[str, ...]
    help: str
    choices: tuple[str, ...] = ()
    takes_value: bool = False
    is_file: bool = False
    is_repeated: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand; that without a name is the program itself."""

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Option, ...] = ()


def read_commands(parser: argparse.ArgumentParser) -> list[Command]:
    """The program, then its subcommands, in the order of the grammar."""
    found = [Command("", "", tuple(_options(parser)))]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            for name, below in action.choices.items():
                found.append(Command(name, helps.get(name, ""), tuple(_options(below)), tuple(_arguments(below))))
    return found


def _options(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.option_strings:
            yield _option(action)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction):
            yield _option(action)


def _option(action: argparse.Action) -> Option:
    return Option(
        tuple(action.option_strings),
        (action.help or "").replace("%%", "%"),
        tuple(map(str, action.choices or ())),
        takes_value=action.nargs != 0,
        is_file=action.metavar == _FILE,
        is_repeated=action.nargs in ("*", "+"),
    )


# --- bash -------------------------------------------------------------------------------------------------------------

_BASH = """\
# Completion of camdetect for bash, as `camdetect completion bash` prints it.
_camdetect() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words= options= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [[ $word != -* ]]; then
            command=$word
            break
        fi
    done
    COMPREPLY=()
    case "$command $previous" in
{values}
    esac
    case "$command" in
{commands}
    esac
    if [[ $current == -* ]]; then
        words=$options
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o filenames -F _camdetect camdetect
"""


def bash(parser: argparse.ArgumentParser) -> str:
    """The script for bash."""
    values, lines = [], []
    every = read_commands(parser)
    for command in every:
        for option in command.options:
            if option.takes_value:
                patterns = "|".join(quote(f"{command.name} {name}") for name in option.names)
                values.append(f"        {patterns}) {_bash_values(option)}return ;;")
        options = " ".join(name for option in command.options for name in option.names)
        words = [choice for argument in command.arguments for choice in argument.choices]
        if not command.name:
            words += [one.name for one in every if one.name]
        lines.append(f"        {quote(command.name)}) words={quote(' '.join(words))} options={quote(options)} ;;")
    return _BASH.format(values="\n".join(values), commands="\n".join(lines))


def _bash_values(option: Option) -> str:
    if option.is_file:
        return 'mapfile -t COMPREPLY < <(compgen -f -- "$current"); '
    if option.choices:
        return f'mapfile -t COMPREPLY < <(compgen -W {quote(" ".join(option.choices))} -- "$current"); '
    return ""


# --- zsh --------------------------------------------------------------------------------------------------------------

_ZSH = """\
#compdef camdetect
# Completion of camdetect for zsh, as `camdetect completion zsh` prints it.
_camdetect() {{
    local curcontext=$curcontext state line
    local -a commands
    commands=(
{commands}
    )
    _arguments -C {options} '1:command:->command' '*::argument:->arguments'
    case $state in
    command) _describe -t commands command commands ;;
    arguments)
        case $line[1] in
{arguments}
        esac ;;
    esac
}}
if [[ $funcstack[1] == _camdetect ]]; then _camdetect "$@"; else compdef _camdetect camdetect; fi
"""


def zsh(parser: argparse.ArgumentParser) -> str:
    """The script for zsh."""
    program, *commands = read_commands(parser)
    described = "\n".join(f"        {quote(f'{one.name}:{_plain(one.help)}')}" for one in commands)
    lines = []
    for one in commands:
        given = [_zsh_option(option, name) for option in one.options for name in option.names]
        given += [_zsh_argument(argument, place) for place, argument in enumerate(one.arguments, 1)]
        lines.append(f"        {one.name}) _arguments {' '.join(map(quote, given))} ;;")
    options = " ".join(quote(_zsh_option(option, name)) for option in program.options for name in option.names)
    return _ZSH.format(commands=described, options=options, arguments="\n".join(lines))


def _zsh_option(option: Option, name: str) -> str:
    value = f":value:{_zsh_values(option)}" if option.takes_value else ""
    return f"*{name}[{_plain(option.help)}]{value}"


def _zsh_argument(argument: Option, place: int) -> str:
    where = "*" if argument.is_repeated else str(place)
    return f"{where}:{_plain(argument.help)}:{_zsh_values(argument)}"


def _zsh_values(option: Option) -> str:
    return "_files" if option.is_file else f"({' '.join(option.choices)})" if option.choices else " "


def _plain(text: str) -> str:
    """A help text without the characters that mean something in a specification."""
    return "".join(" " if one in "[]:\\" else one for one in text)


# --- fish -------------------------------------------------------------------------------------------------------------


def fish(parser: argparse.ArgumentParser) -> str:
    """The script for fish."""
    program, *commands = read_commands(parser)
    names = " ".join(one.name for one in commands)
    nothing_yet = quote(f"not __fish_seen_subcommand_from {names}")
    lines = [
        "# Completion of camdetect for fish, as `camdetect completion fish` prints it.",
        "complete -c camdetect -f",
    ]
    lines += [_fish_option(nothing_yet, option) for option in program.options]
    lines += [f"complete -c camdetect -n {nothing_yet} -a {one.name} -d {_fish_text(one.help)}" for one in commands]
    for one in commands:
        when = quote(f"__fish_seen_subcommand_from {one.name}")
        lines += [_fish_option(when, option) for option in one.options]
        for argument in one.arguments:
            if argument.choices:
                lines.append(f"complete -c camdetect -n {when} -a {quote(' '.join(argument.choices))}")
    return "\n".join([*lines, ""])


def _fish_option(when: str, option: Option) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    value = ""
    if option.takes_value:
        value = " -r -F" if option.is_file else f" -x -a {quote(' '.join(option.choices))}" if option.choices else " -x"
    return f"complete -c camdetect -n {when} {' '.join(names)}{value} -d {_fish_text(option.help)}"


def _fish_text(text: str) -> str:
    """As fish quotes: within single quotes, a backslash stands before a backslash and a quote."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


#: Generator of the script of each shell.
SCRIPTS: Mapping[str, Callable[[argparse.ArgumentParser], str]] = MappingProxyType(
    {"bash": bash, "zsh": zsh, "fish": fish}
)
