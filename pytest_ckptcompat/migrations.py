"""Bring a state that an older version of a library saved to the fields of the current one.

A library keeps one registry beside its loader, and one step per change of its fields:

    migrations = Migrations(base="0.14.0", current=__version__)

    @migrations.step("0.14.17")
    def add_outpad(state):
        return state.added("outpad", (0, 0))

A state is plain Python: dicts, lists and tuples of arrays and static values. This file needs
Python 3.8 and its standard library, and nothing else of this package: a library may depend on
it at run time or carry a copy of it.
"""

from __future__ import annotations

import copy
import re
import sys
from dataclasses import dataclass
from functools import partial
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    Union,
)
from urllib.parse import quote, unquote

__all__ = ["MigrationError", "Migrations", "State", "fit"]

Key = Union[str, int]
Path = Tuple[Key, ...]
Fields = Dict[Key, Any]
#: A path as text, ``layers/3/outpad``, or as its keys, ``("layers", 3, "outpad")``.
PathLike = Union[Key, Path]
_ABSENT = object()


class MigrationError(ValueError):
    """A state cannot be brought to the current version; says what is wrong and where."""


class _NoSuchFieldError(MigrationError, KeyError):  # a KeyError for a Mapping's ``in`` and ``get``
    __str__ = ValueError.__str__


class State(Mapping[Any, Any]):
    """What a step sees: a view of one dict in the state, which nothing can change.

    Reading takes a key or a path, and gives a State for a dict and a read-only view for a NumPy
    array. Each of the four methods returns a new State. They say what must hold afterwards:
    where it holds already they change nothing, where it cannot hold they raise MigrationError.
    """

    def __init__(self, fields: Fields, path: Path = (), like: Any = None) -> None:
        self._fields, self._like = fields, like
        #: Where this dict lies in the whole state.
        self.path = path

    @property
    def like(self) -> State:
        """The current layer's fields at this path; empty where it has none."""
        _, found = _locate(self._like, self.path)
        return State(found if isinstance(found, dict) else {}, self.path)

    @property
    def surplus(self) -> Set[Key]:
        """The fields here that the current layer lacks."""
        return set(self._fields) - set(self.like._fields)

    @property
    def lacking(self) -> Set[Key]:
        """The current layer's fields that are not here."""
        return set(self.like._fields) - set(self._fields)

    def added(self, path: PathLike, default: Any) -> State:
        """With a copy of ``default`` at ``path``, last in its dict, if there is no such field.

        Dicts on the way there that the layer has are made.
        """
        return self if path in self else self._put(path, copy.deepcopy(default))

    def removed(self, path: PathLike) -> State:
        """Without the field at ``path``, if it was there."""
        if path not in self:
            return self
        return self._edited(path, lambda old, name: {k: old[k] for k in old if k != name})

    def renamed(self, old: PathLike, new: PathLike) -> State:
        """With the field ``old`` called ``new``, in the same place of the order.

        ``new`` may lie in another dict; the field comes last there. Dicts on the way there that
        the layer has are made, and dicts left empty that it lacks are taken out. Raises
        MigrationError if both fields are there, or neither.
        """
        (source, value), (target, taken) = self._locate(old), self._locate(new)
        if value is _ABSENT:
            return self if taken is not _ABSENT else self[old]  # which raises
        if taken is not _ABSENT:
            raise MigrationError(f"{self._show(old)} and {self._show(new)} are both there")
        if source[:-1] != target[:-1]:
            moved = self._put(target, value).removed(source)
            for parent in (source[:depth] for depth in range(len(source) - 1, 0, -1)):
                if self._like is None or self._layer_has(parent) or moved[parent]:
                    break
                moved = moved.removed(parent)
            return moved
        last = target[-1]
        return self._edited(source, lambda f, name: {last if k == name else k: f[k] for k in f})

    def transformed(self, path: PathLike, fn: Callable[[Any], Any]) -> State:
        """With a copy of ``fn(value)`` for the value at ``path``; ``fn`` gets what reading gives.

        Raises MigrationError if there is no such field. An array that was tied to another is a
        separate one afterwards.
        """
        return self._put(path, copy.deepcopy(fn(self[path])))

    def __getitem__(self, path: PathLike) -> Any:
        keys, value = self._locate(path)
        if value is _ABSENT:
            raise _NoSuchFieldError(f"there is no {self._show(path)} in {self!r}")
        return _readable(value, (*self.path, *keys), self._like)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        names = ", ".join(str(name) for name in self._fields) or "no fields"
        return f"{_format(self.path)} ({names})"

    def __deepcopy__(self, memo: Dict[int, Any]) -> Fields:
        """Plain Python, which is what a state is made of."""
        return copy.deepcopy(self._fields, memo)

    def _locate(self, path: PathLike) -> Tuple[Path, Any]:
        if isinstance(path, str) and path not in self._fields:
            path = tuple("" if key == "%" else unquote(key) for key in path.split("/"))
        return _locate(self._fields, path if isinstance(path, tuple) else (path,))

    def _show(self, path: PathLike) -> str:
        return _format((*self.path, *self._locate(path)[0]))

    def _put(self, path: PathLike, value: Any) -> State:
        return self._edited(path, lambda fields, name: {**fields, name: value})

    def _layer_has(self, keys: Path) -> bool:
        return isinstance(_locate(self._like, (*self.path, *keys))[1], dict)

    def _edited(self, path: PathLike, edit: Callable[[Fields, Key], Fields]) -> State:
        *parents, name = self._locate(path)[0]

        def edited(node: Any, depth: int) -> Any:
            children = _children(node)
            if depth == len(parents):
                result = edit(children, name)
                if isinstance(node, dict) or result.keys() == children.keys():
                    return _rebuilt(node, result)
            elif parents[depth] in children or (
                isinstance(node, dict) and self._layer_has(tuple(parents[: depth + 1]))
            ):
                child = edited(children.get(parents[depth], {}), depth + 1)
                return _rebuilt(node, {**children, parents[depth]: child})
            raise MigrationError(f"{self._show(path)} does not lie in a dict of {self!r}")

        return State(edited(self._fields, 0), self.path, self._like)


StepFunction = Callable[[State], State]


@dataclass(frozen=True)
class _Step:
    version: str
    function: StepFunction
    where: Optional[Callable[[State], bool]]

    def applied(self, node: Any, path: Path, like: Any) -> Any:
        if self.where is not None:
            node = _mapped(node, lambda key, child: self.applied(child, (*path, key), like))
        elif not isinstance(node, dict):
            raise MigrationError(
                f"{self}: the whole state is a {type(node).__name__}, not a dict; say with "
                f"where= which dicts in it the step is for"
            )
        place = State(node if isinstance(node, dict) else {}, path, like)
        # () is how some libraries save a layer without fields, until it gets some.
        if not isinstance(node, dict) and not (_is_empty(node) and place.like):
            return node
        result = self._run(place)
        return node if result is place else result._fields

    def _run(self, place: State) -> State:
        try:
            if self.where is not None and not self.where(place):
                return place
            result = self.function(place)
        except MigrationError as error:
            raise MigrationError(f"{self}: {error}") from error
        except Exception as error:
            raise MigrationError(
                f"{self} failed at {_format(place.path)}: {type(error).__name__}: {error}"
            ) from error
        if isinstance(result, State):
            return result
        raise MigrationError(
            f"{self} returned a {type(result).__name__} instead of a state; end it with "
            f"return state.added(...), or return state"
        )

    def __str__(self) -> str:
        return f"step {getattr(self.function, '__name__', self.function)} of {self.version}"


class Migrations:
    """The steps of one library, or of one of its layers, by the version that needs them.

    ``base`` is the oldest version whose states the steps start from; a state without a stamp
    counts as saved by it. ``current`` is the library's own version. ``key`` is the field that
    holds the stamp. Versions are ordered as PEP 440 has it, without their local part
    (``+cu118``), which says how a version was built and not what its states look like.
    """

    def __init__(self, *, base: str, current: str, key: str = "version") -> None:
        self.base, self.key, self._own = base, key, current
        self._steps: List[_Step] = []
        if _order(current) < _order(base):
            raise MigrationError(f"current={current!r} is older than base={base!r}")

    @property
    def current(self) -> str:
        """The version of a migrated state: the library's own, or that of the newest step, if
        that is for the release that a checkout is working towards."""
        return max([self._own, *(step.version for step in self._steps)], key=_order)

    def step(
        self, version: str, where: Union[Callable[[State], bool], Iterable[str], None] = None
    ) -> Callable[[StepFunction], StepFunction]:
        """Register a step: what changed in the states that ``version`` and later ones save.

        Without ``where`` the step is for the whole state, which is a dict then. With field
        names, it is for every dict at any depth that has exactly these fields; with a function,
        for every one for which that is true. Inner dicts come first. Steps of one version run
        in the order in which they are registered.
        """
        if _order(version) <= _order(self.base):
            raise MigrationError(f"a step of {version} would never run: base is {self.base}")
        if isinstance(where, str):
            raise MigrationError(f"where={where!r}: give a collection of names, or a function")
        test = where if where is None or callable(where) else partial(_has_exactly, tuple(where))

        def register(function: StepFunction) -> StepFunction:
            self._steps.append(_Step(version, function, test))
            self._steps.sort(key=lambda step: _order(step.version))
            return function

        return register

    def stamp(self, state: Fields) -> Fields:
        """A copy of a state that is about to be saved, with the current version in it."""
        if not isinstance(state, dict):
            raise MigrationError(f"a {type(state).__name__} has no room for a stamp: save a dict")
        self.version_of(state)  # refuses to overwrite a field of the layer
        fields: Fields = _mapped(state, lambda _, child: _fresh(child))
        fields[self.key] = self.current
        return fields

    def version_of(self, state: Any) -> str:
        """The version that a state is stamped with, else ``base``. Raises MigrationError if
        the stamp is not a version."""
        stamp: Any = state.get(self.key, self.base) if isinstance(state, dict) else self.base
        if getattr(stamp, "shape", None) == ():  # how .npz and HDF5 give a text back
            stamp = stamp.item()
        if isinstance(stamp, bytes):
            stamp = stamp.decode("utf-8", "replace")
        if not isinstance(stamp, str):
            raise MigrationError(
                f"the field {self.key!r} is a {type(stamp).__name__}, not the version that saved "
                f"the state; if it is the layer's own, choose another key= for the stamp"
            )
        _order(stamp)
        return stamp

    def migrate(
        self, state: Any, like: Any, *, version: Optional[str] = None, missing: str = "refuse"
    ) -> Any:
        """The state as the current version would have saved it, without the stamp.

        ``like`` is the current layer's own state, whose fields the result must have (see
        ``fit``); None leaves that question to the library's loader. ``version`` is for states
        whose version is kept beside them. ``state`` is not changed; arrays that no step changes
        are shared with it.

        Raises MigrationError if the version is unknown, older than ``base`` or newer than
        ``current``, if a step fails, and if the result does not fit.
        """
        result = self.apply(state, like, version=version)
        if like is None:
            return result
        try:
            return fit(result, like, missing=missing)
        except MigrationError as error:
            saved = self._saved_by(state, version)
            raise MigrationError(f"saved by {saved}, loaded by {self.current}: {error}") from None

    def apply(self, state: Any, like: Any, *, version: Optional[str] = None) -> Any:
        """What the steps make of a state, whether or not it has the fields of ``like`` then.

        For a library whose own loader judges that. All else is as in ``migrate``.
        """
        saved = self._saved_by(state, version)
        if isinstance(like, dict) and self.key in like:
            raise MigrationError(f"the layer has a field {self.key!r}: choose another key=")
        result = _fresh(state)
        if isinstance(result, dict):
            result.pop(self.key, None)
        for step in self._steps:
            if _order(step.version) > _order(saved):
                result = step.applied(result, (), like)
        return result

    def _saved_by(self, state: Any, version: Optional[str]) -> str:
        saved = self.version_of(state)
        if version is not None:
            if isinstance(state, dict) and self.key in state and _order(version) != _order(saved):
                raise MigrationError(f"version={version!r} is given for a state stamped {saved}")
            saved = version
        if _order(saved) < _order(self.base):
            raise MigrationError(
                f"the state was saved by {saved}, and the steps known here start from {self.base}: "
                f"load it with {self.base} and save it again"
            )
        if _order(saved) > _order(self.current):
            raise MigrationError(
                f"the state was saved by {saved}, and the newest version known here is "
                f"{self.current}: upgrade the library"
            )
        return saved


def fit(state: Any, like: Any, *, missing: str = "refuse") -> Any:
    """The state with the fields of ``like``, the current layer's own state, in their order.

    ``missing`` says what becomes of a field that the state lacks: ``"refuse"`` raises,
    ``"accept"`` leaves it out, for a loader that then keeps what the layer has, and ``"fill"``
    takes it from ``like``. Always refused, with every path: a field that the layer lacks, a
    container in place of a leaf or the reverse, an array where the layer keeps None, False or
    (). Values, dtypes and shapes are the loader's business. Raises MigrationError.
    """
    if missing not in ("refuse", "accept", "fill"):
        raise MigrationError(f'missing={missing!r}: choose "refuse", "accept" or "fill"')
    surplus: List[str] = []
    lacking: List[str] = []
    other: List[str] = []

    def fitted(old: Any, new: Any, path: Path) -> Any:
        if not _is_branch(old) and not _is_branch(new):
            if getattr(old, "shape", ()) and (new is None or new is False or _is_empty(new)):
                other.append(_format(path))
            return _fresh(old)
        ours, theirs = _children(old), _children(new)
        alike = isinstance(old, dict) == isinstance(new, dict)
        if not (_is_empty(old) or (ours and _is_empty(new)) or (ours and theirs and alike)):
            other.append(_format(path))
            return old
        surplus.extend(_format((*path, key)) for key in ours if key not in theirs)
        result: Fields = {}
        for key, value in theirs.items():
            if key in ours:
                result[key] = fitted(ours[key], value, (*path, key))
            elif missing == "fill":
                result[key] = _fresh(value)
            elif missing == "refuse":
                lacking.append(_format((*path, key)))
        return _rebuilt(old if alike else new, result)

    result = fitted(state, like, ())
    said = [
        text.format(", ".join(paths))
        for paths, text in (
            (surplus, "the layer has no {} (rename or remove it in a step)"),
            (lacking, 'the state has no {} (add it in a step, or pass missing="fill" or "accept")'),
            (other, "of another kind in the layer: {} (transform it in a step)"),
        )
        if paths
    ]
    if said:
        raise MigrationError("the state does not fit the layer: " + "; ".join(said))
    return result


# Plain Python trees. A container is a dict, a list or a tuple; everything else is a leaf.


def _children(node: Any) -> Fields:
    if isinstance(node, (list, tuple)):
        return dict(enumerate(node))
    return dict(node) if isinstance(node, dict) else {}


def _rebuilt(node: Any, children: Fields) -> Any:
    """A new container like ``node``, of the same class, with other children."""
    if isinstance(node, dict):
        new = copy.copy(node)  # keeps what a subclass carries
        new.clear()
        new.update(children)
        return new
    return getattr(node, "_make", type(node))(children.values())


def _mapped(node: Any, change: Callable[[Key, Any], Any]) -> Any:
    """A new container with each child changed; a leaf as it is."""
    if not isinstance(node, (dict, list, tuple)):
        return node
    return _rebuilt(node, {key: change(key, child) for key, child in _children(node).items()})


def _fresh(node: Any) -> Any:
    """The same leaves in new containers."""
    return _mapped(node, lambda _, child: _fresh(child))


def _locate(node: Any, keys: Path) -> Tuple[Path, Any]:
    """What lies at ``keys``, or _ABSENT, and the path there in the containers' own keys: in a
    path from text the key 3 is "3"."""
    own: List[Key] = []
    for key in keys:
        children = _children(node)
        is_number = key not in children and re.fullmatch("0|[1-9][0-9]*", str(key))
        own.append(int(key) if is_number and int(key) in children else key)
        node = children.get(own[-1], _ABSENT)
    return tuple(own), node


def _readable(value: Any, path: Path, like: Any) -> Any:
    if isinstance(value, dict):
        return State(value, path, like)
    numpy = sys.modules.get("numpy")  # whoever has an array has imported it
    if numpy is not None and isinstance(value, numpy.ndarray):
        value = value.view()
        value.flags.writeable = False
    return _mapped(value, lambda key, child: _readable(child, (*path, key), like))


def _is_empty(node: Any) -> bool:
    return isinstance(node, (dict, list, tuple)) and not node


def _is_branch(node: Any) -> bool:
    """Whether a node has fields: a dict, or a sequence of more than static values."""
    if isinstance(node, (list, tuple)):
        return any(_is_branch(item) or getattr(item, "shape", ()) for item in node)
    return isinstance(node, dict)


def _has_exactly(names: Iterable[str], state: State) -> bool:
    return state.keys() == set(names)


def _format(path: Path) -> str:
    def encoded(key: Key) -> str:
        return re.sub(r"[/%\x00-\x1f\x7f-\x9f]", lambda char: quote(char[0], safe=""), str(key))

    return "/".join(encoded(key) or "%" for key in path) or "the state"


_VERSION = re.compile(
    r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)"
    r"(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?"
    r"(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?"
    r"(?:[-_.]?(dev)[-_.]?(\d*))?"
    r"(?:\+[a-z\d]+(?:[-_.][a-z\d]+)*)?",
    re.IGNORECASE | re.ASCII,
)


def _order(version: str) -> Tuple[Any, ...]:
    """A key that sorts versions as PEP 440 does, local parts aside."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        raise MigrationError(f"{version!r} is not a version as PEP 440 has them, such as 0.14.17")
    epoch, numbers, pre, pre_number, short_post, post, post_number, dev, dev_number = found.groups()
    release = [int(number) for number in numbers.split(".")]
    while release and release[-1] == 0:
        release.pop()
    after = int(short_post or post_number or 0) if short_post or post else -1
    if pre:
        stage = ({"a": 1, "b": 2}.get(pre[0].lower(), 3), int(pre_number or 0))
    else:
        stage = (0 if dev and after < 0 else 4, 0)
    return (int(epoch or 0), tuple(release), stage, after, (not dev, int(dev_number or 0)))
