"""What the checkout itself must keep: no host of a package registry, no path of a machine, two commands in the README."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pip._internal.models.index import PyPI

ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = {".git", ".venv", "__pycache__", "node_modules", "vendor", "instance", "build", "dist"}
BINARY = {".zip", ".png", ".db"}


def texts() -> Iterator[tuple[Path, str]]:
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [
            name for name in subfolders if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))
        ]
        for name in names:
            path = Path(folder, name)
            if path.suffix not in BINARY and "cache" not in path.parent.name and ".hypothesis" not in path.parts:
                yield path, path.read_text(errors="replace")


def registry_hosts() -> set[str]:
    """Hosts of the registries that pip and npm use on this machine, and of the public ones."""
    addresses = [f"https://{PyPI.netloc}", f"https://{PyPI.file_storage_domain}"]
    addresses += [value for name, value in os.environ.items() if re.search("(?i)index|registry|proxy", name)]
    for place in ("/etc/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf"):
        config = configparser.ConfigParser(interpolation=None)
        config.read(Path(place).expanduser())
        addresses += [value for section in config.values() for value in section.values()]
    for place in ("/etc/npmrc", "/usr/etc/npmrc", "~/.npmrc"):
        path = Path(place).expanduser()
        addresses += path.read_text().split() if path.exists() else []
    addresses.append("https://registry." + "npmjs.org")
    found = {urlsplit(part).hostname or "" for text in addresses for part in re.findall(r"https?://[^\s'\"]+", text)}
    return {host for host in found if "." in host and not host.startswith("127.")}


def test_no_registry_host_stands_in_a_file() -> None:
    hosts = registry_hosts()
    assert len(hosts) >= 3
    assert [(str(path), host) for path, text in texts() for host in hosts if host in text] == []


def test_no_path_of_this_machine_stands_in_a_file() -> None:
    here = [f"{ROOT}/", f"{Path.home()}/"]
    assert [(str(path), place) for path, text in texts() for place in here if place in text] == []


def test_the_readme_shows_exactly_two_set_up_commands() -> None:
    blocks = re.findall(r"```(?:console|sh|bash)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if "make " in line]
    assert [command.split("#")[0].strip() for command in commands] == ["make demo", "make test"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text())[1:]
    assert len(entries) > 10
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_make_help_lists_every_target() -> None:
    rules = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[0] for line in told.splitlines()} == rules
