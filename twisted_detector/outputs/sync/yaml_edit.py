"""Editor of YAML texts that changes as few characters as the new values need.

A person's file keeps every comment, blank line, quote and order: nothing is written anew but what differs. What comes
out is read once more and compared, so that a text that could not be changed so is refused and not damaged.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from twisted_detector.outputs.sync.seams import TargetRefused
from twisted_detector.outputs.sync.yaml_block import block, scalar

#: Values of one document, aliases counted each time: a Frigate with 1000 cameras has some 30 000.
MAX_VALUES = 500_000
#: Deeper than any configuration; a bound for the recursion.
MAX_DEPTH = 64
_TAG = "tag:yaml.org,2002:"

#: (from, to, instead) in characters of the text.
Edit = tuple[int, int, str]


def read(text: str) -> dict[Any, Any]:
    """The values of a YAML document; an empty one has none.

    :raises TargetRefused: it is no YAML, or no table.
    """
    return _Reader().read(text)[0]


class YamlDocument:
    """YAML text and its values. Parsed once: that takes a second for each two hundred cameras.

    :ivar values: what the text holds.
    :raises TargetRefused: it is no YAML, or no table.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._reader = _Reader()
        self.values, self._root = self._reader.read(text)

    def with_values(self, values: dict[Any, Any]) -> str:
        """The text, changed to hold ``values``.

        :raises TargetRefused: it cannot be changed so without touching more than that.
        """
        text = self._text
        if self.values == values:
            return text
        if self._root is None:
            gap = "" if not text or text.endswith("\n") else "\n"
            return text + gap + "\n".join([*block(values, 0), ""])
        editor = _Editor(text, self._reader)
        edits = sorted(editor.table(self._root, self.values, values), reverse=True)
        result = text
        for start, end, instead in edits:
            result = result[:start] + instead + result[end:]
        if not editor.structural:
            # One word on one line in the place of another: nothing around it can read differently, and of a camera that
            # moved nothing else changes. To read it all again would take as long as all the rest.
            return result
        try:
            found = read(result)
        except TargetRefused:
            found = {}
        if found != values:
            raise TargetRefused("its YAML cannot be changed without touching more than what is ours")
        return result


class _Reader:
    """Parser of one document: its nodes, and their plain values."""

    def __init__(self) -> None:
        self._yaml = YAML(typ="safe", pure=True)
        self._seen = 0

    def read(self, text: str) -> tuple[dict[Any, Any], MappingNode | None]:
        try:
            root = self._yaml.compose(text)
        except (YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f"line {mark.line + 1}" if mark is not None else type(error).__name__
            raise TargetRefused("it is no YAML", shown=where) from None
        if root is None or (isinstance(root, ScalarNode) and root.tag == f"{_TAG}null"):
            return {}, None
        if not isinstance(root, MappingNode):
            raise TargetRefused("it is no table at its top")
        values = self.plain(root)
        return values, root

    def plain(self, node: Node, depth: int = 0) -> Any:
        """A node's value; a scalar of a tag of somebody's own is a text that begins with the tag."""
        self._seen += 1
        if self._seen > MAX_VALUES or depth > MAX_DEPTH:
            raise TargetRefused("it is larger or deeper than any configuration")
        if isinstance(node, MappingNode):
            table: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key = self.plain(key_node, depth + 1)
                if isinstance(key, dict | list) or key in table:
                    raise TargetRefused("a key in it is given twice, or is no word", shown=f"line {_line(key_node)}")
                table[key] = self.plain(value_node, depth + 1)
            return table
        if isinstance(node, SequenceNode):
            return [self.plain(one, depth + 1) for one in node.value]
        if not isinstance(node, ScalarNode):
            raise TargetRefused("it is no YAML that is known", shown=f"line {_line(node)}")
        return self._scalar(node)

    def _scalar(self, node: ScalarNode) -> Any:
        tag = str(node.tag)
        if tag == f"{_TAG}str":
            return str(node.value)
        if tag in {f"{_TAG}{kind}" for kind in ("int", "float", "bool", "null")}:
            try:
                return self._yaml.constructor.construct_object(copy.copy(node))
            except (YAMLError, ValueError):
                raise TargetRefused("a value in it cannot be read", shown=f"line {_line(node)}") from None
        # A date, a merge key (<<), or something of somebody's own: never ours, so as it is written.
        return f"{tag} {node.value}"


class _Editor:
    """Finder of the smallest edits that turn one set of values into another."""

    def __init__(self, text: str, reader: _Reader) -> None:
        self._text = text
        self._reader = reader
        #: Whether more than words on one line was changed.
        self.structural = False

    def table(self, node: MappingNode, old: dict[Any, Any], new: dict[Any, Any]) -> Iterator[Edit]:
        """The edits by which the table at ``node`` holds ``new``."""
        pairs = [(key, value, self._reader.plain(key)) for key, value in node.value]
        added = {key: value for key, value in new.items() if key not in old}
        self.structural = self.structural or len(old) != len(new) or bool(added)
        gone = [pair for pair in pairs if pair[2] not in new]
        stay = [pair for pair in pairs if pair[2] in new]
        if node.flow_style and (added or gone):
            yield node.start_mark.index, node.end_mark.index, scalar(new)
            return
        if gone and (not stay or any(self._shares_its_line(key) for key, _, _ in gone)):
            yield from self._rewrite(node, new)
            return
        for key, value, name in stay:
            if old[name] != new[name]:
                yield from self._value(key, value, old[name], new[name])
        for key, value, _ in gone:
            end = self._line_end(self._end(value, key))
            yield self._line_start(key), min(end + 1, len(self._text)), ""
        if added:
            last = stay[-1]
            at = self._line_end(self._end(last[1], last[0]))
            yield at, at, "".join(f"\n{line}" for line in block(added, node.start_mark.column))

    def _value(self, key: Node, node: Node, old: Any, new: Any) -> Iterator[Edit]:
        if node.start_mark.index < key.end_mark.index:
            raise TargetRefused("a value of ours is a YAML alias there", shown=f"line {_line(key)}")
        if isinstance(node, MappingNode) and isinstance(new, dict) and (node.value or node.flow_style):
            if node.flow_style and not node.value and isinstance(key, ScalarNode):
                self.structural = True
                yield node.start_mark.index, node.end_mark.index, self._below(key, new).removeprefix(" ")
            else:
                yield from self.table(node, old, new)
        elif (
            isinstance(node, SequenceNode) and isinstance(new, list) and len(new) == len(old) and not _all_scalars(new)
        ):
            for item, before, after in zip(node.value, old, new, strict=True):
                if before != after:
                    yield from self._value(key, item, before, after)
        elif isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index:
            at = key.end_mark.index + self._text[key.end_mark.index :].index(":") + 1
            self.structural = True
            yield at, at, self._below(key, new)
        else:
            yield from self._rewrite(node, new)

    def _rewrite(self, node: Node, new: Any) -> Iterator[Edit]:
        """The edit that writes the whole of a value again."""
        start = node.start_mark.index
        if not isinstance(node, MappingNode | SequenceNode) or node.flow_style:
            end = self._end(node, node)
            if not isinstance(new, str) or not self._is_plain_text(node, start, end):
                self.structural = True
            yield start, end, scalar(new) + ("\n" if isinstance(node, ScalarNode) and node.style in ("|", ">") else "")
            return
        self.structural = True
        lines = block(new, node.start_mark.column)
        yield start, self._end(node, node), "\n".join(lines)[node.start_mark.column :]

    def _below(self, key: Node, new: Any) -> str:
        """What stands behind a key's colon when its value is ``new``."""
        if isinstance(new, dict) and new:
            return "".join(f"\n{line}" for line in block(new, key.start_mark.column + 2))
        return f" {scalar(new)}"

    def _end(self, node: Node, key: Node) -> int:
        """Where the last character of a value is; comments behind it are not of it."""
        index: int
        if node is not key and node.start_mark.index < key.end_mark.index:  # an alias: its node stands elsewhere
            return self._line_end(key.end_mark.index)
        if isinstance(node, ScalarNode):
            index = node.end_mark.index
            return len(self._text[:index].rstrip()) if node.style in ("|", ">") else max(index, key.end_mark.index)
        if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
            index = node.end_mark.index
            return index
        if isinstance(node, MappingNode):
            last_key, last = node.value[-1]
            return self._end(last, last_key)
        last = node.value[-1]
        return self._end(last, last)

    def _is_plain_text(self, node: Node, start: int, end: int) -> bool:
        """Whether a value is a text on one line, without tag or anchor: those stand before it and would stay."""
        written = self._text[start:end]
        return (
            isinstance(node, ScalarNode)
            and node.tag == f"{_TAG}str"
            and node.style not in ("|", ">")
            and node.anchor is None
            and "\n" not in written
            and not written.startswith(("!", "&"))
        )

    def _line_start(self, node: Node) -> int:
        index: int = node.start_mark.index
        return self._text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        end = self._text.find("\n", index)
        return len(self._text) if end < 0 else end

    def _shares_its_line(self, key: Node) -> bool:
        """Whether something stands before a key in its line (the dash of a list)."""
        return bool(self._text[self._line_start(key) : key.start_mark.index].strip())


def _all_scalars(values: list[Any]) -> bool:
    return all(not isinstance(one, dict | list) for one in values)


def _line(node: Node) -> int:
    line: int = node.start_mark.line
    return line + 1
