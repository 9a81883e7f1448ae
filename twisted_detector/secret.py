"""Texts that nobody may see go in; values that mask themselves come out."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must never be shown. ``repr`` and ``str`` are masked; :meth:`reveal` is the one way out."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself, for the bytes of a login and nothing else."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        # A secret that is watched (`spending`) is the same secret.
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Login:
    """A user name with its password. ``name`` may be logged, ``password`` masks itself."""

    name: str
    password: Secret
