"""Pages that are made from the code and from result files when the documentation is built, so none goes stale."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import shutil
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.models import OptionInfo

import setclosure
from setclosure.experiments.cli.main import app
from setclosure.files import read_json
from setclosure.model.methods import METHODS
from setclosure.evaluation.numbers import number
from setclosure.experiments.configuration import STUDIES
from setclosure.paper.reproduction.catalogue import EXHIBITS
from setclosure.paper.reproduction.exhibits import SCALES

BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥"}


def write_all(root: Path, folder: Path) -> None:
    """Write every generated piece into ``folder``; files that would not change are left alone."""
    pieces = {
        "configuration.md": configuration(),
        "methods.md": methods(),
        "command_line.md": command_line(),
        **{f"{name}.md": exhibit(root / "results", name, folder) for name in SHORT},
        "reproduction.md": reproduction(root / "results", folder),
        "benchmarks.md": benchmarks(root / "benchmarks" / "results.json"),
        "overview.md": overview(folder.parent / "_static" / "overview.png"),
    } | {f"api/{name}.md": text for name, text in api()}
    for name, text in pieces.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    for path in folder.rglob("*.md"):
        if str(path.relative_to(folder)) not in pieces:
            path.unlink()  # of a module that is gone


# ── configuration ─────────────────────────────────────────────────────────────────────────────────────────────


def configuration() -> str:
    """Every key of every study, and the options of the parts of a method."""
    out = []
    for name, study in STUDIES.items():
        out += [f"## Study `{name}`", "", *_section(study, ""), *_sections(study, "")]
    out += [
        "## Options of a method's parts",
        "",
        "`model.encoder`, `model.decoder` and `model.reconstruction` take these, as the row of the method has them.",
        "",
    ]
    parts: dict[type[BaseModel], list[str]] = {}
    for method, row in METHODS.items():
        for key in ("encoder", "decoder", "reconstruction"):
            config = getattr(row, key)
            if config is not None:
                parts.setdefault(config, []).append(f"`model.{key}` of `{method}`")
    for config, users in parts.items():
        out += [f"### {config.__name__.removesuffix('Config')}", "", ", ".join(users) + ".", "", *_section(config, "")]
    return "\n".join(out) + "\n"


def methods() -> str:
    """The table of methods."""
    rows = [
        [f"`{name}`", *(_part(row, k) for k in ("encoder", "decoder", "reconstruction"))]
        for name, row in METHODS.items()
    ]
    return _table(["method", "encoder", "decoder", "reconstruction"], rows)


def _part(row: Any, key: str) -> str:
    config = getattr(row, key)
    return "–" if config is None else config.__name__.removesuffix("Config")


def _sections(model: type[BaseModel], path: str) -> Iterator[str]:
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner = f"{path}.{key}" if path else key
            yield from (f"### `{inner}`", "", (field.description or _first_line(field.annotation)), "")
            yield from _section(field.annotation, inner)
            yield from _sections(field.annotation, inner)


def _section(model: type[BaseModel], path: str) -> list[str]:
    rows = []
    for key, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            rows.append([f"`{key}`", "section", "", field.description or _first_line(annotation)])
        else:
            rows.append([f"`{key}`", _type(annotation) + _bounds(field), _default(field), field.description or ""])
    return [_table(["key", "type", "default", "meaning"], rows), ""]


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0].replace(":class:", "")


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(a) for a in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is dict or annotation is dict:
        return "section"
    return {type(None): "null", int: "integer", float: "number", str: "text", bool: "true or false"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


def _bounds(field: FieldInfo) -> str:
    parts = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    return f", {', '.join(parts)}" if parts else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "`null`"
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return "`{}`" if value == {} else f"`{value}`"


# ── command line ──────────────────────────────────────────────────────────────────────────────────────────────


def command_line() -> str:
    """Every command with its arguments and options, from the signatures that Typer reads, too."""
    out = []
    for registered in app.registered_commands:
        function: Any = registered.callback
        hints = typing.get_type_hints(function, include_extras=True)
        rows, usage = [], []
        for name, parameter in inspect.signature(function).parameters.items():
            base, info = typing.get_args(hints[name])
            needed = parameter.default is inspect.Parameter.empty
            default = "required" if needed else ("" if parameter.default in (None, False) else f"`{parameter.default}`")
            label = info.metavar or ""
            if isinstance(info, OptionInfo):
                value = "" if base is bool else f" {info.metavar or 'N'}"
                names = [n for n in (info.default, *(info.param_decls or ())) if isinstance(n, str)]
                label = f"{(names or [f'--{name}'])[0]}{value}"
                usage.append(label if needed else f"[{label}]")
            else:
                usage.insert(0, label)
            rows.append([f"`{label}`", default, info.help or ""])
        command = registered.name or function.__name__
        out += [f"## `{command}`", "", inspect.getdoc(function) or "", ""]
        whole = " ".join(piece.replace(" ", "\0") for piece in usage)  # an option stays with its value
        lines = textwrap.wrap(f"setclosure {command} {whole}", 74, subsequent_indent="    ", break_on_hyphens=False)
        out += ["```text", *(line.replace("\0", " ") for line in lines), "```", ""]
        out += [_table(["argument or option", "default", "meaning"], rows), ""]
    return "\n".join(out) + "\n"


# ── results ───────────────────────────────────────────────────────────────────────────────────────────────────


SHORT = {
    "what-helps": ("mre", "mre_median"),
    "baselines": ("mre", "effective_rank"),
    "unravelling": ("r2",),
    "slow": ("mean_error", "inside_band"),
}
"""What is on the page *What helps*, and which metrics of it: settings were chosen by it, on development data."""


def exhibit(results: Path, name: str, folder: Path) -> str:
    """Some metrics of a table, one line a row, and its picture if there is one; for each scale, the smallest last."""
    there = _scales(results, name)
    if not there:
        return f":::{{note}}\nNot run yet: `setclosure reproduce {name}` makes `{name}.json`.\n:::\n"
    return "\n".join(_at_scale(results / scale / f"{name}.json", scale, folder) for scale in reversed(there))


def _at_scale(path: Path, scale: str, folder: Path) -> str:
    name, content = path.stem, read_json(path)
    metrics = SHORT[name]
    head = ["", *(f"`{column}`, {METRICS.get(m, m)}" for m in metrics for column in content["columns"])]
    rows = [
        [
            f"`{row}`",
            *(
                number(cells[column][m]["mean"]).replace(" ", "\N{NO-BREAK SPACE}") if column in cells else "n/a"
                for m in metrics
                for column in content["columns"]
            ),
        ]
        for row, cells in content["rows"].items()
    ]
    facts = content["provenance"]
    seeds = f"Training seeds: {', '.join(map(str, facts['seeds']))}. " if facts["seeds"] else ""
    notes = [*content["notes"], f"Scale: {scale}. {seeds}{_provenance(facts)}"]
    return "\n".join([_table(head, rows), "", *_picture(path, EXHIBITS[name].title, folder), *notes, ""])


def _scales(results: Path, name: str) -> list[str]:
    """The scales at which a table or figure was made and committed, the largest last."""
    return [scale for scale in SCALES if (results / scale / f"{name}.json").is_file()]


def _picture(path: Path, title: str, folder: Path) -> list[str]:
    """The picture beside the result ``path``, copied into ``folder``, or nothing."""
    picture = path.with_suffix(".png")
    if not picture.is_file():
        return []
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, folder / picture.name)
    return [f"```{{image}} generated/{picture.name}\n:alt: {title}\n```", ""]


def reproduction(results: Path, folder: Path) -> str:
    """The status of every table and figure, and each as it was made at the largest scale that was committed."""
    rows, out = [], []
    for name, exhibit in EXHIBITS.items():
        there = _scales(results, name)
        rows.append([f"`{name}`", exhibit.title, ", ".join(there) or "not run yet"])
        if not there or name in SHORT:
            continue
        made = results / there[-1] / name
        title, _, body = made.with_suffix(".md").read_text().partition("\n")
        out += [f"## {title.removeprefix('# ')} ({there[-1]})", ""]
        out += _picture(made.with_suffix(".json"), exhibit.title, folder)
        out += [body.strip(), "", f"Every seed's number and configuration: `results/{there[-1]}/{name}.json`.", ""]
    status = ["## Status", "", _table(["name", "what", "committed results"], rows), ""]
    return "\n".join([*status, *out])


METRICS = {
    "mre": "error",
    "mre_median": "median",
    "effective_rank": "effective rank",
    "mean_error": "error of the mean",
    "inside_band": "inside the band",
    "r2": "R²",
}
"""How the columns of short tables say what they show."""


def benchmarks(path: Path) -> str:
    """The table of ``benchmarks/results.json``."""
    if not path.is_file():
        return ":::{note}\nNo benchmark has been committed yet: `make bench` writes `benchmarks/results.json`.\n:::\n"
    content = read_json(path)
    rows = []
    for row in content["benchmarks"]:
        ratios = ", ".join(f"{peer} {ratio:.3g}×" for peer, ratio in row["ratio"].items())
        share = row.get("share_of_matrix_product_peak")
        rows.append(
            [f"`{row['name']}`", f"{row['value']:.3g}", row["unit"], ratios or "–", f"{share:.0%}" if share else "–"]
        )
    head = ["benchmark", "value", "unit", "times faster than", "share of the machine's matrix-product peak"]
    return "\n".join([_table(head, rows), "", _provenance(content["provenance"]), ""])


def overview(picture: Path) -> str:
    """The picture of the demonstration, if it has been made."""
    if not picture.is_file():
        return ""
    return (
        f"```{{image}} {picture.parent.name}/{picture.name}\n:alt: Particles and learned density; predicted and true "
        "curves; error over time\n```\n"
    )


def _provenance(facts: dict[str, Any]) -> str:
    machine, versions = facts["machine"], facts["versions"]
    commit = f"commit `{facts['commit'][:12]}`" if facts.get("commit") else "commit unknown"
    return (
        f"Measured at {facts['started']} on {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, GPU: {machine['gpu'] or 'none'}; {commit}; "
        + ", ".join(f"{name} {number}" for name, number in versions.items() if number)
        + "."
    )


# ── reference ─────────────────────────────────────────────────────────────────────────────────────────────────


def api() -> Iterator[tuple[str, str]]:
    """One page for each room of the package, with all its modules, and the list of the pages."""
    rooms: dict[str, list[str]] = {"_top": []}
    for module in pkgutil.walk_packages(setclosure.__path__, "setclosure."):
        room = module.name.split(".")[1]
        if module.ispkg or module.name.count(".") > 1:
            rooms.setdefault(room, []).append(module.name)
        else:
            rooms["_top"].append(module.name)
    for room, modules in rooms.items():
        title = "Modules of the top level" if room == "_top" else f"setclosure.{room}"
        out = [f"# {title}", ""]
        for name in modules:
            heading = "" if name == f"setclosure.{room}" else f"## {name.removeprefix('setclosure.')}\n"
            importlib.import_module(name)  # a module that cannot be imported must stop the build
            out += [heading, "```{eval-rst}", f".. automodule:: {name}", "```", ""]
        yield room, "\n".join(out)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
