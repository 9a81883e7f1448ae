"""Drawings of the code's state machines: ``<name>.dot``, and ``<name>.svg`` where Graphviz' ``dot`` is installed.

Run ``python docs/machines/draw.py`` after a change of a machine; with ``--check`` it changes nothing and ends with 1
when a drawing is older than its machine.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent


def dot(name: str, machine: object) -> str:
    """The transitions of an automat machine as a Graphviz digraph: states in boxes, ``input / what is done``."""
    automaton = machine.__automat_automaton__  # type: ignore[attr-defined]
    edges: dict[tuple[str, str], list[str]] = defaultdict(list)
    for before, word, after, outputs in automaton.allTransitions():
        # ``data:`` are automat's own: they make the data of the state that is entered.
        done = ", ".join(each.name.replace("_", " ") for each in outputs if not each.name.startswith("data:"))
        edges[before.name, after.name].append(f"{word} / {done}" if done else str(word))
    lines = [f"digraph {name} {{", '  node [shape=box, style=rounded, fontname="sans-serif"]']
    lines += ['  edge [fontname="sans-serif", fontsize=10]']
    lines.append("  start [shape=point]")
    lines.append(f'  start -> "{automaton.initialState.name}"')
    for (before, after), labels in sorted(edges.items()):
        label = "\\n".join(sorted(labels))
        lines.append(f'  "{before}" -> "{after}" [label="{label}"]')
    return "\n".join([*lines, "}"]) + "\n"


def machines() -> dict[str, object]:
    """Every machine that is drawn, by the name of its drawing."""
    sys.path.insert(0, str(HERE.parents[1]))
    from twisted_detector.mqtt.connection.machine import connection_machine

    return {"connection": connection_machine}


def main(arguments: list[str]) -> int:
    """Draw, or with ``--check`` compare."""
    stale = []
    for name, machine in machines().items():
        path = HERE / f"{name}.dot"
        text = dot(name, machine)
        if "--check" in arguments:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
            continue
        path.write_text(text)
        renderer = shutil.which("dot")
        if renderer:
            subprocess.run([renderer, "-Tsvg", "-o", path.with_suffix(".svg"), path], check=True, timeout=60)  # noqa: S603
    if stale:
        sys.stderr.write(f"older than the code: {', '.join(stale)}; run python docs/machines/draw.py\n")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
