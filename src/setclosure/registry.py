"""The registry keeps everything that a user may add, by kind and name.

A part is registered by one decorator, from the library's own files, from a user's file (:func:`load_plugin`, the
command line's ``--plugin``) or from an installed package that has an entry point in the group ``setclosure.parts``.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from setclosure.errors import ConfigurationError, SetclosureWarning
from setclosure.extras import missing_extra
from setclosure.files import sha256

T = TypeVar("T")

ENTRY_POINTS = "setclosure.parts"
"""The group of entry points in which packages name modules that register parts when they are imported."""

KINDS: dict[str, str | None] = {
    "descriptor": "setclosure.descriptors",
    "encoder": "setclosure.encoders",
    "decoder": "setclosure.decoders",
    "reconstruction": "setclosure.reconstruction",
    "dynamics": "setclosure.dynamics",
    "drift": "setclosure.dynamics",
    "diffusion": "setclosure.dynamics",
    "method": "setclosure.model",
    "observable": "setclosure.observables",
    "reader": "setclosure.trajectories.readers",
    "simulator": None,
    "study": "setclosure.experiments.own_data",
}
"""Each kind of part has the package, or the module, that registers the library's own parts of that kind, or None."""


@dataclass(frozen=True)
class Registered:
    """A registered part.

    Attributes
    ----------
    kind, name : str
        The kind of the part, and its name in configurations.
    value : Any
        The class, function or preset that was registered.
    facts : dict
        Further facts that the decorator was given.
    """

    kind: str
    name: str
    value: Any
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plugin:
    """A user's file that was run, and its text, so that other processes and machines can run it, too.

    Attributes
    ----------
    module : str
        Name of the module that it is here.
    path : str
        Where it lay.
    text : str
        Its content.
    """

    module: str
    path: str
    text: str

    def load(self) -> None:
        """Run it, if that was not done in this process.

        Raises
        ------
        ConfigurationError
            If it raises an error.
        """
        if self.module in sys.modules:
            return
        module = types.ModuleType(self.module)
        module.__file__ = self.path
        sys.modules[self.module] = module  # before it runs: dataclasses and pydantic look their module up
        try:
            exec(compile(self.text, self.path, "exec"), vars(module))
        except Exception as error:
            del sys.modules[self.module]
            raise ConfigurationError(f"the plugin {self.path} stopped with {type(error).__name__}: {error}") from error


_PARTS: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
_LOADED: set[str] = set()
_PLUGINS: dict[str, Plugin] = {}


def register(kind: str, name: str, **facts: Any) -> Callable[[T], T]:
    """Return a decorator that makes a class or function known by ``name``.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`: ``"descriptor"``, ``"encoder"``, ``"decoder"``, ``"reconstruction"``, ``"dynamics"``,
        ``"drift"``,
        ``"diffusion"``, ``"method"``, ``"observable"``, ``"reader"``, ``"simulator"`` or ``"study"``.
    name : str
        Letters, digits, ``_``, ``-`` and ``.``.
    **facts
        Further facts of that kind, for instance ``components`` and ``units`` of an observable.

    Raises
    ------
    ConfigurationError
        If there is no such kind, the name has other characters, or something else has that name already.

    Examples
    --------
    >>> @register("observable", "mean_width")
    ... def mean_width(microstates):
    ...     return microstates.standard_deviation().mean(dim=1)
    >>> "mean_width" in names("observable")
    True
    """
    _require_kind(kind)
    if not re.fullmatch(r"[\w.-]+", name):
        raise ConfigurationError(f"the name of a part has letters, digits, '_', '-' and '.'; got {name!r}.")

    def keep(value: T) -> T:
        known = _PARTS[kind].get(name)
        # a notebook cell that is run again defines the same thing anew, which is no conflict
        if known is not None and _where(known.value) != _where(value):
            raise ConfigurationError(
                f"the {kind} '{name}' exists already ({'.'.join(_where(known.value))}). Choose another name."
            )
        _PARTS[kind][name] = Registered(kind, name, value, facts)
        if isinstance(value, type) and hasattr(value, "part_name"):
            value.part_name = name
        return value

    return keep


def find(kind: str, name: str) -> Registered:
    """Look a part up by its kind and name.

    Installed packages with parts are imported if the library itself has no part of that name.

    Raises
    ------
    ConfigurationError
        If there is no such kind or part; the message has the nearest name and all that are known.

    Examples
    --------
    >>> find("encoder", "deep_set").value.__name__
    'DeepSetConfig'
    """
    _require_kind(kind)
    _load_built_in(kind)
    if name not in _PARTS[kind]:
        _load_entry_points()
    if name not in _PARTS[kind]:
        known = sorted(_PARTS[kind])
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise ConfigurationError(
            f"there is no {kind} '{name}'.{hint} Known: {', '.join(known) or 'none'}. Register one of "
            f"your own with @setclosure.register('{kind}', '{name}') in a file, and name that file with --plugin."
        )
    return _PARTS[kind][name]


def names(kind: str) -> list[str]:
    """List the names of all parts of a kind, those of installed packages included, in alphabetical order.

    Raises
    ------
    ConfigurationError
        If there is no such kind.

    Examples
    --------
    >>> "onsager" in names("drift")
    True
    """
    _require_kind(kind)
    _load_built_in(kind)
    _load_entry_points()
    return sorted(_PARTS[kind])


def load_plugin(path: str | Path) -> None:
    """Run a user's Python file, which registers parts.

    The file is run once in a process, however often it is named. Only files that a person names are ever run: models,
    data sets and run folders cannot name any.

    Raises
    ------
    ConfigurationError
        If the file is missing or raises an error while it is run.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise ConfigurationError(f"the plugin {path} is not there; expected a Python file that registers parts.")
    if path.suffix != ".py":
        raise ConfigurationError(f"the plugin {path} is not a Python file; expected a name that ends in .py.")
    module = f"setclosure_plugin_{path.stem}_{sha256(str(path).encode())[:8]}"
    try:
        text = importlib.util.decode_source(path.read_bytes())
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the plugin {path} is no text: {error}.") from error
    plugin = Plugin(module, str(path), text)
    plugin.load()
    _PLUGINS.setdefault(module, plugin)


def plugins() -> list[Plugin]:
    """List the plugins that were loaded in this process."""
    return list(_PLUGINS.values())


def _require_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ConfigurationError(f"there is no kind of part '{kind}'; expected one of {', '.join(KINDS)}.")


def _load_built_in(kind: str) -> None:
    package = KINDS[kind]
    if package is None or package in _LOADED:
        return
    _LOADED.add(package)
    home = importlib.import_module(package)
    for module in pkgutil.iter_modules(getattr(home, "__path__", [])):
        importlib.import_module(f"{package}.{module.name}")


def _load_entry_points() -> None:
    if ENTRY_POINTS in _LOADED:
        return
    _LOADED.add(ENTRY_POINTS)
    for _ in installed(ENTRY_POINTS):
        pass  # loading registers


def installed(group: str) -> Iterator[tuple[str, Any]]:
    """Load the entry points of a group one after another, in the order of their names: name and object.

    One that needs an extra which is not installed is left out.

    Warns
    -----
    SetclosureWarning
        If an installed package stops with an error; it is left out, too.
    """
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        try:
            loaded = point.load()
        except ModuleNotFoundError as error:
            if missing_extra(error) is None:
                _warn_of(point, error)
            continue
        except Exception as error:
            _warn_of(point, error)
            continue
        yield point.name, loaded


def _warn_of(point: EntryPoint, error: Exception) -> None:
    package = point.dist.name if point.dist else point.value
    warnings.warn(
        f"the plugin '{point.name}' of the installed package '{package}' stopped with {type(error).__name__}: {error}. "
        "Its parts and commands are left out; mend or uninstall that package.",
        SetclosureWarning,
        stacklevel=2,
    )


def _where(value: Any) -> tuple[str, str]:
    return str(getattr(value, "__module__", "")), str(getattr(value, "__qualname__", repr(value)))
