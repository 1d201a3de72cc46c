"""Builds the page into the package, where it is not built yet and node is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore]
    """Whoever works on the package builds the page when it is wanted, so not in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        built, web, npm = root / "archcalc/page/built/index.html", root / "web", shutil.which("npm")
        if version == "editable" or built.is_file() or not web.is_dir():
            return
        try:
            if npm is None:
                raise OSError("there is no npm")
            for words in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
                subprocess.run([npm, "--prefix", str(web), *words], check=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            self.app.display_warning(f"without the page of 'archcalc serve': {error}")
