"""The documents: examples run, links lead somewhere, the reference is what the code says."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobdeck import Deck, JobType

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
GUIDES = sorted(ROOT.glob("docs/how-to/*.md"))


def pieces(document: Path) -> list[str]:
    return re.findall(r"^```python[^\n]*\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def test_the_reference_is_up_to_date() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")}
    command = [sys.executable, str(ROOT / "docs" / "build_reference.py"), "--check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), f"run `make docs`: {done.stdout} {done.stderr}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_pieces_of_python_in_the_guides_run(guide: Path, tmp_path: Path) -> None:
    declared = 0
    for number, piece in enumerate(pieces(guide)):
        path = tmp_path / f"piece_{number}.py"
        path.write_text(piece)
        found = importlib.util.spec_from_file_location(path.stem, path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        declared += len(declarations(module))
    assert declared > 0 or guide.stem != "write-job-types"


def declarations(module: ModuleType) -> list[object]:
    """Job types of a piece, each accepted by a deck."""
    values = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    types = [v for v in values if hasattr(v, "job_type") or (isinstance(v, type) and issubclass(v, JobType))]
    Deck(job_types=types, home="unused").registry.find("none")
    return types


def test_the_readmes_ten_lines_are_a_job_type() -> None:
    (piece,) = pieces(ROOT / "README.md")
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(piece, "README.md", "exec"), names)
    job_type = names["export_records"].job_type
    assert job_type.title == "Export records"
    assert set(job_type.schema().json_schema()["properties"]) == {"since", "serializer"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    inner = [target.partition("#") for target in targets if "://" not in target]
    paths = {name: document.parent / name if name else document for name, _, _ in inner}
    assert [name for name, path in paths.items() if not path.exists()] == []
    assert [f"{name}#{place}" for name, _, place in inner if place and place not in anchors(paths[name])] == []


def anchors(document: Path) -> set[str]:
    """The headings of a document, as links name them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
