"""Make foreign text safe for a page of HTML."""

from __future__ import annotations

import html
from typing import Any


def escape(value: Any) -> str:
    """Make text that came from a file safe inside HTML elements and quoted attributes."""
    return html.escape(str(value), quote=True)
