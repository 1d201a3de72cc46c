"""What the site puts in place of ``OWNER``: the repository that it is built in.

``GITHUB_REPOSITORY`` says which, and is set by GitHub; without it the pages are as they stand.
"""

import os
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with the text of every page."""
    return markdown.replace("OWNER/archcalc", os.environ.get("GITHUB_REPOSITORY", "OWNER/archcalc"))
