"""A class with annotated fields goes in; a dataclass comes out, its methods written when they are first used.

The standard library writes and compiles six methods for each frozen dataclass: 1.4 ms and 12 KiB. At 170 of them that
was a quarter of a second of the daemon's start and 2 MiB, mostly for methods that nobody calls. Here ``__init__`` is
compiled at the first instance, and the others are shared. ``fields``, ``replace`` and patterns work as usual; type
checkers see the standard library's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls: Any = None, /, **said: bool) -> Any:
        """``dataclasses.dataclass``; lazy where it says ``slots=True``, and nothing beyond ``_KNOWN``."""
        lazy = said.get("slots") and _KNOWN.issuperset(said)
        make = (lambda cls: _lazy(cls, **said)) if lazy else dataclasses.dataclass(**said)
        return make if cls is None else make(cls)


_KNOWN = frozenset({"frozen", "slots", "init", "repr", "eq", "kw_only"})


def _lazy(
    cls: type,
    *,
    slots: bool,
    init: bool = True,
    repr: bool = True,
    eq: bool = True,
    frozen: bool = False,
    kw_only: bool = False,
) -> type:
    """Everything that the body of the class does not define itself; as :func:`dataclasses.dataclass` decides it."""
    own = frozenset(cls.__dict__)
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
    methods: dict[str, Any] = dict(_FROZEN) if frozen else {}
    if init:
        methods["__init__"] = _first(made, "__init__", _write_init)
    if repr:
        methods["__repr__"] = _repr
    if eq:
        methods["__eq__"] = _first(made, "__eq__", _write_eq)
        methods["__hash__"] = _first(made, "__hash__", _write_hash) if frozen else None
        if "__eq__" in own and "__hash__" in own and cls.__dict__["__hash__"] is None:
            own -= {"__hash__"}  # Python set it, for the class has an __eq__ and no __hash__ of its own
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    return made


def _first(cls: Any, name: str, write: Callable[[Any], Any]) -> Callable[..., Any]:
    """A method that is replaced by the written one when it is called first."""

    def first(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        method = write(cls)
        setattr(cls, name, method)
        return method(self, *args, **kwargs)

    return first


def _write_init(cls: Any) -> Any:
    """The ``__init__`` that fills the slots."""
    names: dict[str, Any] = {"_absent": dataclasses.MISSING}
    plain: list[str] = []
    keywords: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):
        name = field.name
        names[f"_set_{name}"] = getattr(cls, name).__set__
        value = name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            value = f"_make_{name}() if {name} is _absent else {name}" if field.init else f"_make_{name}()"
            default = "=_absent"
        elif field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            value = name if field.init else f"_default_{name}"
            default = f"=_default_{name}"
        else:
            default = ""
        if field.init:
            (keywords if field.kw_only else plain).append(name + default)
        if field.init or default:
            body.append(f"_set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(("self", *plain, *(("*", *keywords) if keywords else ())))
    text = f"def __init__({parameters}):\n  " + "\n  ".join(body or ["pass"])
    exec(compile(text, f"<__init__ of {cls.__qualname__}>", "exec"), names)  # noqa: S102 - of names in our own source
    made = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _compared(cls: Any) -> Callable[[Any], Any]:
    names = [field.name for field in dataclasses.fields(cls) if field.compare]
    if not names:
        return lambda one: ()
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda one: (get(one),)


def _write_eq(cls: Any) -> Any:
    get = _compared(cls)

    def __eq__(self: Any, other: Any) -> Any:
        return get(self) == get(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _write_hash(cls: Any) -> Any:
    get = _compared(cls)

    def __hash__(self: Any) -> int:
        return hash(get(self))

    return __hash__


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_FROZEN = {
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
