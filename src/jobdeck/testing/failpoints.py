"""Faults at named steps of the product, from outside of it: functions are wrapped as soon as their module is loaded.

`JOBDECK_FAILPOINTS` says what happens where, as `name=fault[:count]`, several divided by `;`; faults are `kill_tree`, `kill`,
`stop`, `raise`, `drop`. Each fires `count` times, once unless told, over all processes together: `JOBDECK_FAILPOINTS_MARKS`
names a folder where a file `name.number` with the process's id and the monotonic time tells of each. Every process that is
to have them calls `activate` as its first act, such as by a `sitecustomize` module.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import StoreError
from .faults import FAULTS, ROOT
from .points import POINTS, Point

SPECIFICATION = "JOBDECK_FAILPOINTS"
MARKS = "JOBDECK_FAILPOINTS_MARKS"
RAISE = "raise"

Act = Callable[[ModuleType], None]


@dataclass(slots=True)
class Failpoint:
    """One step at which something is to happen, `count` times."""

    name: str
    fault: str
    count: int
    marks: Path
    _fired: int = 0

    def reached(self, point: Point) -> None:
        """Do it, unless it was done often enough."""
        if not self._mark():
            return
        if self.fault != RAISE:
            FAULTS[self.fault]()
        elif point.error == "store":
            raise StoreError(f"The database cannot serve: failpoint {self.name}")
        else:
            raise RuntimeError(f"failpoint {self.name}")

    def _mark(self) -> bool:
        while self._fired < self.count:
            path = self.marks / f"{self.name}.{self._fired}"
            self._fired += 1
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
            except FileExistsError:
                continue
            os.write(fd, f"{os.getpid()} {time.monotonic()}".encode())
            os.close(fd)
            return True
        return False


def activate() -> None:
    """Wrap what the environment names; ValueError for what it names wrongly."""
    os.environ.setdefault(ROOT, str(os.getpid()))
    for failpoint in parse(os.environ.get(SPECIFICATION, ""), Path(os.environ.get(MARKS, "."))):
        for point in POINTS[failpoint.name]:
            when_loaded(point.module, functools.partial(_wrap, failpoint, point))


def parse(text: str, marks: Path) -> Sequence[Failpoint]:
    """What `JOBDECK_FAILPOINTS` says; ValueError names what is unknown."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, rest = part.partition("=")
        fault, _, count = rest.partition(":")
        if name not in POINTS:
            raise ValueError(f"There is no failpoint {name!r}.")
        if fault not in (*FAULTS, RAISE):
            raise ValueError(f"There is no fault {fault!r}; they are {', '.join((*FAULTS, RAISE))}.")
        found.append(Failpoint(name, fault, int(count or 1), marks))
    return found


def when_loaded(module: str, act: Act) -> None:
    """Have `act(module)` called once the module is loaded: now, or by the import that loads it."""
    loaded = sys.modules.get(module)
    if loaded is not None:
        act(loaded)
        return
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _finder.waiting[module].append(act)


class _Finder:
    """Finds modules as Python does, and acts on those that are waited for."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Act]] = defaultdict(list)

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """As import wants it; None leaves the module to others."""
        if name not in self.waiting:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_act(module: ModuleType) -> None:
                load(module)
                for act in self.waiting.pop(name, ()):
                    act(module)

            spec.loader.exec_module = load_and_act  # type: ignore[method-assign]  # of this one loader
        return spec


_finder = _Finder()


def _wrap(failpoint: Failpoint, point: Point, module: ModuleType) -> None:
    *above, name = point.name.split(".")
    owner: Any = functools.reduce(getattr, above, module)
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*given: Any, **named: Any) -> Any:
        is_meant = point.given is None or bool(point.given(*given, **named))
        if is_meant and not point.after:
            failpoint.reached(point)
        result = original(*given, **named)
        if is_meant and point.after and (point.gave is None or point.gave(result)):
            failpoint.reached(point)
        return result

    setattr(owner, name, wrapped)
