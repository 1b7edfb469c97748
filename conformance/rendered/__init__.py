"""The specification as pages to read: written from the YAML, as Markdown or as one HTML page."""

from __future__ import annotations

from endianproof.conformance.rendered._pages import pages
from endianproof.conformance.rendered._write import as_html, as_markdown

__all__ = ["as_html", "as_markdown", "pages"]
