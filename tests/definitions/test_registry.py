"""Finding job types: by class, function, module, dotted name and entry point; and who is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobdeck import JobType, NotFound, job_type
from jobdeck.definitions.discovery import discover
from jobdeck.definitions.registry import Registry
from jobdeck.errors import DefinitionError

Write = Callable[[str, str], None]

JOBS = """
from jobdeck import JobType, job_type

@job_type
def alpha(a: int = 1) -> int: ...

class Base(JobType):
    timeout = 5

class Beta(Base):
    id = "beta"
    task = alpha

GAMMA = JobType.create("Gamma", None, "gamma", alpha, None, "Gamma")
again = alpha
"""


def ids(*things: Any) -> list[str]:
    return [one.id for one in discover(things)]


@pytest.fixture
def site(write: Write) -> None:
    write("my_site/__init__.py", "")
    write("my_site/jobs.py", JOBS)
    write("my_site/more/__init__.py", "from my_site.jobs import alpha\nfrom .delta import delta\n")
    write("my_site/more/delta.py", "from jobdeck import job_type\n@job_type\ndef delta() -> None: ...\n")
    write("my_site/chosen.py", "from my_site.jobs import alpha, Beta\n__all__ = ['Beta']\n")


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("thing", "found"),
    [
        ("my_site.jobs", ["alpha", "beta", "gamma"]),
        ("my_site.jobs:alpha", ["alpha"]),
        ("my_site.jobs.alpha", ["alpha"]),
        ("my_site.jobs:Beta", ["beta"]),
        ("my_site:jobs.Beta", []),
        ("my_site.more", ["delta"]),
        ("my_site.chosen", ["beta"]),
    ],
)
def test_dotted_names(thing: str, found: list[str]) -> None:
    if not found:
        with pytest.raises(DefinitionError, match=r"my_site has no 'jobs\.Beta'"):
            ids(thing)
    else:
        assert ids(thing) == found


@pytest.mark.usefixtures("site")
def test_things_themselves() -> None:
    __import__("my_site.jobs")
    module = sys.modules["my_site.jobs"]
    assert ids(module) == ["alpha", "beta", "gamma"]
    assert ids(module.alpha, module.Beta, module.GAMMA) == ["alpha", "beta", "gamma"]
    assert ids(module.alpha, module, "my_site.jobs") == ["alpha", "beta", "gamma"]
    assert ids() == []


@pytest.mark.parametrize(
    ("files", "thing", "words"),
    [
        ({}, "nowhere", ["'nowhere'", "cannot be imported"]),
        ({}, "nowhere.jobs", ["'nowhere.jobs'", "No module named 'nowhere'"]),
        ({}, "json:nothing", ["json has no 'nothing'"]),
        ({}, "json.nothing", ["json has no 'nothing'"]),
        ({}, "json:", ["package.module:name"]),
        ({}, "json", ["module json has no job type", "__all__"]),
        ({}, "json:loads", ["json.loads is no job type", "@job_type"]),
        ({"broken_jobs.py": "1 / 0"}, "broken_jobs", ["broken_jobs cannot be imported", "ZeroDivisionError"]),
        ({"needs_more.py": "import nowhere_else"}, "needs_more", ["No module named 'nowhere_else'"]),
    ],
)
def test_names_of_nothing_are_refused(files: dict[str, str], thing: str, words: list[str], write: Write) -> None:
    for path, text in files.items():
        write(path, text)
    with pytest.raises(DefinitionError) as caught:
        ids(thing)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("thing", [3, len, JobType, ids, ModuleType("empty")])
def test_things_that_are_no_job_types_are_refused(thing: Any) -> None:
    with pytest.raises(DefinitionError, match=r"no job type"):
        ids(thing)


def test_a_module_may_hold_things_that_cannot_be_asked() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("Working outside of application context.")

    @job_type
    def task() -> None: ...

    module = ModuleType(__name__)
    vars(module).update(proxy=Proxy(), task=task)
    assert ids(module) == ["task"]


def test_two_types_cannot_have_one_id() -> None:
    one = JobType.create("One", None, "same", len, None, None)
    two = JobType.create("Two", None, "same", len, None, None)
    registry = Registry()
    registry.register(one, one)
    with pytest.raises(DefinitionError) as caught:
        registry.register(two)
    assert str(caught.value) == (
        f"Two job types have the id 'same': One ({__name__}) and Two ({__name__}); give one another id."
    )
    assert list(registry) == [one]


def test_types_come_by_title_and_are_found_by_id() -> None:
    registry = Registry()
    named = {"z": "apple", "b": "Banana", "a": "cherry", "c": "Apple"}
    registry.register(*(JobType.create("T", None, one, len, None, title) for one, title in named.items()))
    assert [one.id for one in registry] == ["c", "z", "b", "a"]
    assert len(registry) == 4 and "b" in registry and "x" not in registry
    found = registry.find("b")
    assert found is registry.get("b") and registry.find("x") is None


def test_an_unknown_id_is_refused_with_a_suggestion() -> None:
    registry = Registry()
    registry.register(JobType.create("T", None, "export_records", len, None, None))
    with pytest.raises(NotFound, match=r"'export_record' is not registered\. Did you mean 'export_records'\?$"):
        registry.get("export_record")
    with pytest.raises(NotFound, match=r"'zzz' is not registered\.$"):
        registry.get("zzz")
    with pytest.raises(NotFound) as caught:
        registry.get("\x00" + "x" * 9999)
    assert "\x00" not in str(caught.value) and len(str(caught.value)) < 400


def install(write: Write, name: str, value: str, entry: str = "some") -> None:
    folder = f"{name.replace('-', '_')}-1.2.dist-info"
    write(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    write(f"{folder}/entry_points.txt", f"[jobdeck.job_types]\n{entry} = {value}\n")


@pytest.mark.usefixtures("site")
def test_installed_packages_offer_job_types(write: Write) -> None:
    install(write, "site-one", "my_site.jobs:alpha")
    install(write, "site-two", "my_site.more")
    assert ids() == ["alpha", "delta"]
    assert ids("my_site.jobs") == ["alpha", "beta", "delta", "gamma"]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nowhere.jobs", ["nowhere.jobs cannot be imported", "No module named 'nowhere'", "uninstall"]),
        ("my_site.jobs:nothing", ["has no attribute 'nothing'"]),
        ("my_site.broken", ["ZeroDivisionError: division by zero"]),
        ("my_site", ["module my_site has no job type"]),
        ("my_site.twin", ["the id 'alpha'", "my_site.jobs", "my_site.twin"]),
        ("my_site.wrong", ["Job type Wrong (my_site.wrong): it has no task"]),
    ],
)
def test_an_entry_point_that_fails_is_named(value: str, words: list[str], write: Write, tmp_path: Path) -> None:
    write("my_site/broken.py", "1 / 0")
    write("my_site/twin.py", "from jobdeck import job_type\n@job_type\ndef alpha() -> None: ...\n")
    write("my_site/wrong.py", "from jobdeck import JobType\nclass Wrong(JobType):\n    id = 'wrong'\n")
    install(write, "bad-site", value, entry="the_jobs")
    with pytest.raises(DefinitionError) as caught:
        ids("my_site.jobs")
    told = str(caught.value)
    assert told.startswith("The entry point 'the_jobs' of bad-site 1.2: ")
    assert all(word in told for word in words), told
