"""Sphinx configuration: MyST pages, notebooks that run during the build, pages generated from the code."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from generate import write_all
from mathtext import draw_display, draw_inline
from pydantic import BaseModel
from sphinx.util.nodes import make_refnode

write_all(HERE.parent, HERE / "generated")

project = "setclosure"
author = "The setclosure developers"
copyright = f"2026, {author}"
release = version = installed_version("setclosure")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
source_suffix = {".md": "myst-nb"}
# included by other pages, or made by the build
exclude_patterns = ["_build", "jupyter_execute", "generated/*.md", "**.ipynb_checkpoints"]

# attributes of different classes share names such as path; Napoleon links the first
suppress_warnings = ["ref.python"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "auto"
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_show_tb = True

napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_preprocess_types = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "setclosure"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
html_math_renderer = "mathtext"


def describe_settings(app, what, name, obj, options, signature, annotation):
    """The fields of a configuration section are a list, not a signature."""
    return ("(**fields)", None) if what == "class" and issubclass(obj, BaseModel) else None


CONSTANTS: dict[str, list[str]] = {}


def before_napoleon(app, what, name, obj, options, lines):
    """Fields of a configuration section become a list; docstrings of constants are kept."""
    if what == "class" and issubclass(obj, BaseModel) and obj.model_fields:
        fields = obj.model_fields.items()
        lines += ["", *(f"- ``{key}``: {field.description or field.annotation.__name__}" for key, field in fields)]
    if what in ("data", "attribute"):
        CONSTANTS[name] = list(lines)


def after_napoleon(app, what, name, obj, options, lines):
    """A colon in the docstring of a constant ends no type, and "D." alone is a letter, not item D of a list."""
    lines[:] = CONSTANTS.get(name, list(one_field_each(lines)))
    lines[:] = [re.sub(r"^(\s*(?::\w[^:]*:\s+)?)([A-Za-z])\.$", r"\1\\\2.", line) for line in lines]


def one_field_each(lines):
    """Attributes that share a description are repeated, one by one; Sphinx would take the first for the type."""
    block = []
    for line in [*lines, ":end:"]:
        if block and re.match(r":|\S", line):
            field, names, rest = re.match(r":(\w+) ([^:]*):(.*)", block[0]).groups()
            for name in names.split(", "):
                yield from (f":{field} {name}:{rest}", *block[1:])
            block = []
        if re.match(r":(ivar|vartype) \w+(, \w+)+:", line):
            block = [line]
        elif block:
            block.append(line)
        elif line != ":end:":
            yield line


def resolve(app, env, node, contnode):
    """Docstrings name things shortly, or as the package exports them: link them where that is unambiguous."""
    if node.get("refdomain") != "py":
        return None
    objects = env.domains["py"].objects
    found = [name for name in objects if name.endswith("." + node["reftarget"].removeprefix("setclosure."))]
    if len(found) != 1:
        return None
    entry = objects[found[0]]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, found[0])


def setup(app):
    """Connect what is above."""
    app.connect("autodoc-process-signature", describe_settings)
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
    app.connect("missing-reference", resolve)
    app.add_html_math_renderer("mathtext", inline_renderers=(draw_inline, None), block_renderers=(draw_display, None))
