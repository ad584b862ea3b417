"""Pages that are made from the code and from result files when the documentation is built, so none goes stale."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.models import OptionInfo

import setclosure
from setclosure.decoders.base import DecoderConfig
from setclosure.descriptors.base import DescriptorConfig
from setclosure.dynamics.base import DiffusionConfig, DriftConfig, DynamicsConfig
from setclosure.encoders.base import EncoderConfig
from setclosure.evaluation.numbers import number
from setclosure.evaluation.table import METRICS
from setclosure.experiments.cli.main import app
from setclosure.experiments.own_data import DataSettings, DataSource
from setclosure.experiments.study import Study
from setclosure.files import read_json
from setclosure.model.methods import get_method, method_names
from setclosure.parts import PartConfig
from setclosure.reconstruction.base import ReconstructionConfig
from setclosure.registry import find, names
from setclosure.simulate.simulator import SimulatorConfig
from setclosure.tables.exhibits import SCALES, known_exhibits
from setclosure.trajectories.readers.base import ReaderConfig
from setclosure.trajectories.readers.spec import Angle, ContextValue, ImportSpec, ObservableSource, Species, Windows

BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥"}


def write_all(root: Path, folder: Path) -> None:
    """Write every generated piece into ``folder``; files that would not change are left alone."""
    pieces = {
        "configuration.md": configuration(),
        "import.md": importing().replace("](parts.md", "](../parts.md"),  # docs/how_to/ includes it
        "methods.md": methods(),
        "parts.md": parts(),
        "metrics.md": metrics(),
        "command_line.md": command_line(),
        **{f"{name}.md": exhibit(root / "results", name, folder) for name in SHORT},
        "reproduction.md": reproduction(root / "results", folder),
        "benchmarks.md": benchmarks(root / "benchmarks" / "results.json"),
        "overview.md": overview(folder.parent / "_static" / "overview.png"),
        "public.md": public(),
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
    """Every section: those that all studies share, that of data, and the simulations of the paper's studies."""
    out = ["## All studies", "", *_section(Study), *_sections(Study, "")]
    out += ["## Your own data", "", _first_line(DataSettings), "", "### `data`", "", *_section(DataSettings)]
    out += [
        "### A data set of the section `data`",
        "",
        "`data.train`, `data.validation` and each of `data.tests` is a path, or a section with these keys. "
        "Paths are relative to the configuration file.",
        "",
        *_section(DataSource),
    ]
    for name in names("study"):
        study = find("study", name).value
        if "simulation" not in study.model_fields:
            continue
        simulation = study.model_fields["simulation"].annotation
        out += [f"## Study `{name}`", "", study.model_validate({}).description, ""]
        out += ["### `simulation`", "", *_section(simulation), *_sections(simulation, "simulation")]
    return "\n".join(out) + "\n"


def importing() -> str:
    """Every key of an import specification."""
    out = ["### All keys", "", *_section(ImportSpec), *_sections(ImportSpec, "")]
    inner = {
        "`species`": Species,
        "An angle of `features.vectors`": Angle,
        "An entry of `observables`": ObservableSource,
        "A number of `context`": ContextValue,
        "`windows`": Windows,
    }
    for title, model in inner.items():
        out += [f"### {title}", "", _first_line(model), "", *_section(model)]
    return "\n".join(out).replace("](parts.md", "](../parts.md") + "\n"  # a page in how_to includes it


def _sections(model: type[BaseModel], path: str) -> Iterator[str]:
    for key, field in model.model_fields.items():
        annotation = field.annotation
        if _is_section(annotation):
            inner = f"{path}.{key}" if path else key
            yield from (f"### `{inner}`", "", (field.description or _first_line(annotation)), "")
            yield from _section(annotation)
            yield from _sections(annotation, inner)


def _section(model: type[BaseModel]) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        if _is_section(field.annotation):
            rows.append([f"`{key}`", "section", "", field.description or _first_line(field.annotation)])
        else:
            kind = _type(field.annotation) + _bounds(field)
            rows.append([f"`{key}`", kind, _default(field), field.description or _first_line(field.annotation)])
    return [_table(["key", "type", "default", "meaning"], rows), ""]


def _is_section(annotation: Any) -> bool:
    """Whether a key is a section of its own, and not a part or a data set that another table describes."""
    elsewhere = (PartConfig, DataSource)
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, elsewhere)


def _first_line(value: Any) -> str:
    return _plain((inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " "))


def _plain(text: str) -> str:
    """Give reStructuredText of a docstring as Markdown."""
    text = re.sub(r":\w+:`(?:~[\w.]+\.|setclosure\.)?([\w.]+)`", r"`\1`", text)
    return text.replace("``", "`")


PARTS: dict[str, tuple[str, type[PartConfig] | None]] = {
    "descriptor": ("Descriptors", DescriptorConfig),
    "encoder": ("Encoders", EncoderConfig),
    "decoder": ("Decoders", DecoderConfig),
    "reconstruction": ("Reconstructions", ReconstructionConfig),
    "dynamics": ("Dynamics", DynamicsConfig),
    "drift": ("Drifts", DriftConfig),
    "diffusion": ("Diffusions", DiffusionConfig),
    "observable": ("Observables", None),
    "reader": ("Readers", ReaderConfig),
    "simulator": ("Simulators", SimulatorConfig),
    "study": ("Studies", None),
}
"""Heading and base of the options of each kind of part, in the order of the page."""


PLAIN = {
    type(None): "null",
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    dict: "section",
    DataSource: "data set",
}
"""Types of values, in words."""


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join("`false`" if value is False else f"`{value}`" for value in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(a) for a in arguments)
    if origin is tuple:
        repeated = len(arguments) == 2 and arguments[1] is Ellipsis
        inner = _type(arguments[0]).replace("list of ", "lists of ")
        return f"list of {inner}" if repeated else f"list of {len(arguments)} × {inner}"
    if origin is typing.Annotated:
        return _type(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in PLAIN:
        return _section_type(annotation)
    return PLAIN.get(origin or annotation) or str(annotation)


def _section_type(annotation: type[BaseModel]) -> str:
    if not issubclass(annotation, PartConfig):
        return f"section of {' and '.join(f'`{key}`' for key in annotation.model_fields)}"
    kind = next(kind for kind, (_, base) in PARTS.items() if base and issubclass(annotation, base))
    named = annotation.part_name
    return f"[{kind} `{named}`](parts.md#{_anchor(kind, named)})" if named else f"[{kind}](parts.md#{kind})"


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name}".replace("_", "-")


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
    if isinstance(value, PartConfig):
        return f"`{value.part_name}`"
    if isinstance(value, tuple) and value and all(isinstance(part, PartConfig) for part in value):
        return f"`[{', '.join(part.part_name for part in value)}]`"
    if value is None:
        return "the method's" if "[" in _type(field.annotation) else "`null`"
    if value == "":
        return "empty"
    return f"`{json.dumps(value)}`" if isinstance(value, tuple | bool) else f"`{value}`"


# ── the registry ──────────────────────────────────────────────────────────────────────────────────────────────


def methods() -> str:
    """The table of methods."""
    rows = []
    for name in method_names():
        method = get_method(name)
        chosen = {part: getattr(method, part) for part in ("encoder", "decoder", "reconstruction")}
        cells = [f"`{section['name']}`" if section else "–" for section in chosen.values()]
        of_paper = any(_of_paper(find(kind, section["name"]).value) for kind, section in chosen.items() if section)
        rows.append((of_paper, [f"`{name}`", *cells, f"{method.dynamics_weight:g}"]))
    rows = [row for _, row in sorted(rows, key=lambda of: of[0])]
    return _table(["method", "encoder", "decoder", "reconstruction", "`dynamics_weight`"], rows)


def parts() -> str:
    """Every part that is registered, with all its options."""
    out = []
    for kind, (title, _) in PARTS.items():
        found = {name: find(kind, name) for name in names(kind)}
        found = dict(sorted(found.items(), key=lambda item: _of_paper(item[1].value)))
        rows = [
            [_reference(kind, name, part.value), _words(part.value), f"{{py:mod}}`{part.value.__module__}`"]
            for name, part in found.items()
        ]
        out += [f"({kind})=", f"## {title}", "", _table(["name", "what it is", "module"], rows), ""]
        if kind == "study":
            break  # the page Configuration has their keys
        for name, part in found.items():
            out += list(_observable(name, part) if kind == "observable" else _options(kind, name, part.value))
    return "\n".join(out) + "\n"


def _of_paper(value: Any) -> bool:
    """Whether a part belongs to the studies of the paper or the exam; tables have those of the library first."""
    return bool(value.__module__.startswith(("setclosure.paper", "setclosure.exam")))


def _reference(kind: str, name: str, value: Any) -> str:
    has_options = kind not in ("observable", "study") and bool(value.model_fields)
    return f"[`{name}`](#{_anchor(kind, name)})" if has_options else f"`{name}`"


def _words(value: Any) -> str:
    """The first sentence about what the options make, or about the thing itself."""
    if isinstance(value, type) and issubclass(value, Study):
        fields = value.model_fields.values()
        return _first_line(value) if any(f.is_required() for f in fields) else value.model_validate({}).description
    made = typing.get_type_hints(value.build).get("return") if hasattr(value, "build") else value
    return _first_line(made)


def _options(kind: str, name: str, value: type[BaseModel]) -> Iterator[str]:
    if value.model_fields:
        yield from (f"({_anchor(kind, name)})=", f"### {kind} `{name}`", "", *_section(value))


def _observable(name: str, part: Any) -> Iterator[str]:
    arguments = list(inspect.signature(part.value).parameters.values())[1:]
    components = ", ".join(f"`{c}`" for c in part.facts.get("components") or (name,))
    yield from (f"`{name}` gives {components}.", "")
    if arguments:
        example = ", ".join(f"{a.name}={a.default}" for a in arguments)
        yield from (f"Its parameters are changed in its name, and these are the defaults: `{name}({example})`.", "")


def metrics() -> str:
    """Every metric that an evaluation writes."""
    better = {True: "lower", False: "higher", None: "–"}
    rows = [
        [f"`{m.name}`", m.symbol, m.unit or "–", better[m.lower_is_better], m.sentence.replace("|", "\\|")]
        for m in METRICS.values()
    ]
    return _table(["name in `metrics.json`", "shown as", "unit", "better", "meaning"], rows)


# ── command line ──────────────────────────────────────────────────────────────────────────────────────────────


def command_line() -> str:
    """Every command with its arguments and options, from the signatures that Typer reads, too."""
    rows, _ = _arguments(app.registered_callback.callback)
    out = ["## Options of all commands", "", "They stand before the command: `setclosure --quiet run …`.", ""]
    out += [_table(["option", "default", "meaning"], rows), ""]
    for registered in app.registered_commands:
        function: Any = registered.callback
        rows, usage = _arguments(function)
        command = registered.name or function.__name__
        out += [f"## `{command}`", "", inspect.getdoc(function) or "", ""]
        whole = " ".join(piece.replace(" ", "\0") for piece in usage)  # an option stays with its value
        lines = textwrap.wrap(f"setclosure {command} {whole}", 74, subsequent_indent="    ", break_on_hyphens=False)
        out += ["```text", *(line.replace("\0", " ") for line in lines), "```", ""]
        out += [_table(["argument or option", "default", "meaning"], rows), ""]
    return "\n".join(out) + "\n"


def _arguments(function: Any) -> tuple[list[list[str]], list[str]]:
    """The rows of a table of arguments and options, and the pieces of a line that shows how they are used."""
    hints = typing.get_type_hints(function, include_extras=True)
    rows: list[list[str]] = []
    usage: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if typing.get_origin(hints[name]) is not typing.Annotated:
            continue  # Typer's own context
        base, info = typing.get_args(hints[name])
        needed = parameter.default is inspect.Parameter.empty
        shown = "" if parameter.default is None or parameter.default is False else f"`{parameter.default}`"
        default = "required" if needed else shown
        label = info.metavar or ""
        if isinstance(info, OptionInfo):
            value = "" if base is bool else f" {info.metavar or 'N'}"
            spelled = [n for n in (info.default, *(info.param_decls or ())) if isinstance(n, str)]
            label = f"{(spelled or [f'--{name}'])[0]}{value}"
            usage.append(label if needed else f"[{label}]")
            label = ", ".join([label, *spelled[1:]])
        else:
            usage.insert(0, label)
        rows.append([f"`{label}`", default, info.help or ""])
    return rows, usage


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
    head = ["", *(f"`{column}`, {COLUMNS.get(m, m)}" for m in metrics for column in content["columns"])]
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
    return "\n".join([_table(head, rows), "", *_picture(path, known_exhibits()[name].title, folder), *notes, ""])


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
    for name, exhibit in known_exhibits().items():
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


COLUMNS = {
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


def public() -> str:
    """The names that ``setclosure`` itself exports."""
    rows = []
    for name in setclosure.__all__:
        value = getattr(setclosure, name)
        role = "class" if isinstance(value, type) else "func"
        rows.append([f"{{py:{role}}}`{name} <{value.__module__}.{name}>`", _first_line(value)])
    return _table(["name", "what it is"], rows)


def api() -> Iterator[tuple[str, str]]:
    """One page for each package, with its public modules."""
    rooms: dict[str, list[str]] = {}
    for module in pkgutil.walk_packages(setclosure.__path__, "setclosure."):
        importlib.import_module(module.name)  # a module that cannot be imported must stop the build
        if any(piece.startswith("_") for piece in module.name.split(".")):
            continue
        rooms.setdefault(module.name if module.ispkg else module.name.rpartition(".")[0], []).append(module.name)
    for room, modules in rooms.items():
        title = "setclosure: registry, parts, errors and others" if room == "setclosure" else room
        out = [f"# {title}", ""]
        for name in modules:
            heading = "" if name == room else f"## {name.removeprefix('setclosure.')}\n"
            out += [heading, "```{eval-rst}", f".. automodule:: {name}", "```", ""]
        yield room.removeprefix("setclosure.").replace(".", "_"), "\n".join(out)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
