"""The specification and the named testees as pages to read: from the YAML, as Markdown or as one HTML page."""

from __future__ import annotations

from endianproof.conformance.rendered._pages import pages
from endianproof.conformance.rendered._testees import testees_page
from endianproof.conformance.rendered._write import as_html, as_markdown

__all__ = ["as_html", "as_markdown", "pages", "testees_page"]
