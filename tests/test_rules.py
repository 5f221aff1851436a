"""Rules of our own over the source text, each because something broke elsewhere for want of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "jobdeck"
FILES = sorted(SOURCE.rglob("*.py"))
Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in FILES:
        yield str(path.relative_to(SOURCE)), ast.parse(path.read_text())


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_files_can_be_read_in_one_sitting() -> None:
    long = {str(path): n for path in FILES if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_nothing_is_pickled() -> None:
    named = re.compile(r"^\s*(import|from) (pickle|marshal|shelve|dill)\b", re.MULTILINE)
    assert [str(path) for path in FILES if named.search(path.read_text())] == []


def test_no_datetime_is_naive() -> None:
    bad = []
    for name, tree in trees():
        for function, node in calls(tree):
            if function.endswith(("utcnow", "utcfromtimestamp")) or (
                function.endswith("datetime.now") and not node.args and not node.keywords
            ):
                bad.append((name, node.lineno))
    assert bad == []


def test_waiting_is_measured_by_the_monotonic_clock() -> None:
    """Wall time may jump; `time.time()` in a deadline expires everything at once."""
    assert [(name, node.lineno) for name, tree in trees() for f, node in calls(tree) if f == "time.time"] == []


def test_every_update_of_a_run_carries_a_guard_of_its_status() -> None:
    found = 0
    for path in sorted((SOURCE / "store").glob("*.py")):
        tree = ast.parse(path.read_text())
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) in parts or not isinstance(node, ast.Constant | ast.JoinedStr):
                continue
            text = ast.unparse(node)
            if "UPDATE jobdeck_run SET" in text:
                found += 1
                condition = text.partition("WHERE")[2]
                # A claim takes what its first part picked, and locked, by status.
                guarded = ("status = ", "status <> ", "{FENCED}", "{_QUEUED}")
                assert any(guard in condition for guard in guarded) or "FROM ({picks})" in text, text
    assert found >= 20


def test_sql_is_written_in_the_store_alone() -> None:
    sql = re.compile(r"\b(SELECT\s.+\sFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA)\s", re.DOTALL)
    found = {
        name.partition("/")[0]
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and sql.search(node.value)
    }
    assert found == {"store"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("flask", {"web", "cli", "deck.py"}),
        ("werkzeug", {"web"}),
        ("waitress", {"web"}),
        ("sqlalchemy", {"store", "services"}),
        ("alembic", {"store"}),
        ("click", {"cli"}),
        ("rich", {"cli"}),
        ("marshmallow", {"definitions"}),
        ("pydantic", {"definitions"}),
        ("celery", {"engines"}),
        ("rq", {"engines"}),
        ("redis", {"engines"}),
    ],
)
def test_each_library_has_its_rooms(library: str, rooms: set[str]) -> None:
    assert {name.partition("/")[0] for name, tree in trees() if library in imported(tree)} <= rooms


def test_everything_public_says_what_it_is() -> None:
    silent = []
    for name, tree in trees():
        if not ast.get_docstring(tree):
            silent.append(name)
        owners: list[ast.Module | ast.ClassDef] = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for owner in [tree, *owners]:
            if isinstance(owner, ast.ClassDef) and owner.name.startswith("_"):
                continue
            for node in owner.body:
                if not isinstance(node, Named) or node.name.startswith("_") or ast.get_docstring(node):
                    continue
                written = [ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list]
                if "overload" not in written:
                    silent.append(f"{name}:{node.name}")
    assert silent == []


def test_imports_inside_functions_say_why() -> None:
    silent = []
    for path in FILES:
        name = str(path.relative_to(SOURCE))
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    above = lines[max(0, inner.lineno - 5) : inner.lineno]
                    if not any("#" in line for line in above):
                        silent.append(f"{name}:{inner.lineno}")
    assert silent == []


def test_nobody_inside_imports_the_package_root() -> None:
    root = re.compile(r"^\s*(import jobdeck$|from jobdeck import|from \.\.+ import (?!_))", re.MULTILINE)
    bad = []
    for path in FILES:
        for match in root.finditer(path.read_text()):
            depth = len(path.relative_to(SOURCE).parts)
            dots = match[0].count(".")
            if dots == 0 or dots >= depth + 1:
                bad.append(str(path))
    assert bad == []


@pytest.mark.parametrize("room", ["core", "store", "services", "executor", "processes", "definitions"])
def test_only_doors_print(room: str) -> None:
    printed = [
        (str(path.relative_to(SOURCE)), node.lineno)
        for path in sorted((SOURCE / room).rglob("*.py"))
        for function, node in calls(ast.parse(path.read_text()))
        if function == "print"
    ]
    assert printed == []
