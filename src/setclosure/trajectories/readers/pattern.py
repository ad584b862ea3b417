"""File names are found by patterns with named fields, such as ``runs/run_T{temperature}_seed{seed}.dump``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from setclosure.errors import ConfigurationError, ReaderError
from setclosure.trajectories.readers.base import Source

_FIELD = re.compile(r"\{([^{}]*)\}")
_PARTS = re.compile(r"(\{[^{}]*\}|\*\*/?|\*|\?)")

MOST_NAMED = 5
"""The most files that a message lists."""


def find_sources(files: str | Sequence[str | Sequence[str]], base: Path) -> list[Source]:
    """Find the sources that a specification names, each of which is one trajectory.

    Parameters
    ----------
    files : str or sequence
        A pattern, or a list of them. An entry that is a list itself has the files of one trajectory in their order.
        In a pattern ``*`` and ``?`` stand for letters, ``**`` for folders, and ``{field}`` for letters that are kept
        under a name.
    base : Path
        The folder from which relative names count.

    Returns
    -------
    list of Source
        In the order of the entries, then of the names; numbers in names are ordered as numbers.

    Raises
    ------
    ReaderError
        If there is no such file, one is named twice, or a name can be read in two ways.
    ConfigurationError
        If a pattern has fields that cannot be told from each other.
    """
    found: list[Source] = []
    for entry in [files] if isinstance(files, str) else files:
        if isinstance(entry, str):
            found += _matches(entry, base)
        else:
            pieces = [_matches(name, base) for name in entry]
            several = next((k for k, piece in enumerate(pieces) if len(piece) != 1), None)
            if several is not None:
                raise ReaderError(
                    f"'{entry[several]}' is {len(pieces[several])} files; expected one, because the entries of an "
                    "inner list are the files of one trajectory in their order."
                )
            values = {key: value for piece in pieces for key, value in piece[0].values.items()}
            found.append(Source(tuple(piece[0].path for piece in pieces), values))
    seen: set[tuple[Path, ...]] = set()
    for source in found:
        if source.paths in seen:
            raise ReaderError(f"{source.name} is named twice; each trajectory is expected once.")
        seen.add(source.paths)
    return found


def fields_of(pattern: str) -> list[str]:
    """List the names of the fields of a pattern.

    Raises
    ------
    ConfigurationError
        If a field has no name that letters, digits and ``_`` make, or two fields touch each other.

    Examples
    --------
    >>> fields_of("run_T{temperature}_seed{seed}.dump")
    ['temperature', 'seed']
    """
    names = _FIELD.findall(pattern)
    for name in names:
        if not name.isidentifier():
            raise ConfigurationError(
                f"the field {{{name}}} of the pattern '{pattern}' has no name; expected letters, digits and '_'."
            )
    if "}{" in pattern:
        raise ConfigurationError(f"two fields of the pattern '{pattern}' touch; expected some letter between them.")
    return names


def filled(pattern: str, values: dict[str, str], what: str) -> str:
    """Put the values of a source's name into the fields of a pattern.

    Raises
    ------
    ConfigurationError
        If the name of the source has no such field.

    Examples
    --------
    >>> filled("run_T{temperature}.log", {"temperature": "0.7"}, "the log")
    'run_T0.7.log'
    """
    missing = [name for name in fields_of(pattern) if name not in values]
    if missing:
        raise ConfigurationError(
            f"{what} '{pattern}' has the field {{{missing[0]}}}, and the pattern of the files has "
            f"{', '.join(f'{{{key}}}' for key in values) or 'no fields'}. Use the same fields in both."
        )
    return _FIELD.sub(lambda match: values[match[1]], pattern)


def _matches(pattern: str, base: Path) -> list[Source]:
    """List the files that a pattern names, with the values of its fields."""
    names = fields_of(pattern)
    whole = str(base / pattern)
    if not re.search(r"[*?{]", pattern):
        path = Path(whole)
        if not path.exists():
            raise ReaderError(f"there is no file {path}.{_instead(path)}")
        return [Source((path,))]
    lazy, greedy = (_expression(str(base), pattern, more) for more in ("?", ""))
    sources = []
    for path in _glob(base, _FIELD.sub("*", pattern)):
        match = lazy.fullmatch(str(path))
        other = greedy.fullmatch(str(path))
        if match is None or other is None:
            continue
        if match.groupdict() != other.groupdict():
            name = next(name for name in names if match[name] != other[name])
            raise ReaderError(
                f"the name {path} fits the pattern '{pattern}' in two ways: {{{name}}} may be '{match[name]}' or "
                f"'{other[name]}'. Put letters into the pattern that stand between the fields alone."
            )
        sources.append(Source((path,), match.groupdict()))
    if not sources:
        raise ReaderError(f"no file has a name like {whole}.{_instead(Path(whole))}")
    return sorted(sources, key=lambda source: _natural(str(source.path)))


def _glob(base: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_absolute():
        return list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    # '..' has no meaning in the middle of a search: the fixed folders in front are walked first
    fixed, parts = base, list(path.parts)
    while len(parts) > 1 and not re.search(r"[*?\[]", parts[0]):
        fixed, parts = fixed / parts[0], parts[1:]
    return list(fixed.glob("/".join(re.sub(r"\[", "[[]", part) for part in parts)))


def _expression(base: str, pattern: str, more: str) -> re.Pattern[str]:
    """Give the regular expression of a pattern whose fields take as few (``?``) or as many letters as they can."""
    text, seen = "", set()
    head = "" if Path(pattern).is_absolute() or base == "." else re.escape(base + "/")
    for part in _PARTS.split(str(Path(pattern))):
        if part.startswith("**"):
            text += "(?:[^/]+/)*" if part.endswith("/") else ".*"
        elif part == "*":
            text += "[^/]*"
        elif part == "?":
            text += "[^/]"
        elif part.startswith("{"):
            name = part[1:-1]
            text += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+{more})"
            seen.add(name)
        else:
            text += re.escape(part)
    return re.compile(head + text)


def _natural(name: str) -> list[tuple[int, str]]:
    """Give a key by which numbers in names are ordered as numbers."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", name)]


def natural_order(paths: Sequence[Path]) -> list[Path]:
    """Sort files by name, numbers in the names as numbers.

    Examples
    --------
    >>> [path.name for path in natural_order([Path("f10.png"), Path("f9.png")])]
    ['f9.png', 'f10.png']
    """
    return sorted(paths, key=lambda path: _natural(str(path)))


def _instead(path: Path) -> str:
    """Say what is there instead of a file that is not."""
    folder = path.parent
    while re.search(r"[*?{]", str(folder)):
        folder = folder.parent
    if not folder.is_dir():
        return f" There is no folder {folder}, either."
    there = natural_order([entry for entry in folder.iterdir() if not entry.name.startswith(".")])
    if not there:
        return f" The folder {folder} is empty."
    more = f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else ""
    return f" In {folder} are {', '.join(entry.name for entry in there[:MOST_NAMED])}{more}."
