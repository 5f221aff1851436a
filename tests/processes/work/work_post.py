"""An engine that is a file: a line a message. Away while there is a file `closed` beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from jobdeck import Deck
from jobdeck.core.ring import Ring
from jobdeck.errors import ConfigurationError, EngineError


class Post:
    """Messages go to `post.txt` of the home folder."""

    name = "post"
    is_immediate = False

    def __init__(self, deck: Deck) -> None:
        self._home = deck.settings.home

    def ring(self, rings: Sequence[Ring]) -> int:
        self._look()
        lines = "".join(json.dumps(ring.as_data()) + "\n" for ring in rings)
        with open(self._home / "post.txt", "a") as out:
            os.write(out.fileno(), lines.encode())
        return len(rings)

    def depth(self, queue: str) -> int | None:
        self._look()
        return None

    def command(self, queue: str) -> str | None:
        return f"deliver {queue}"

    def problems(self) -> list[str]:
        try:
            self._look()
        except EngineError as error:
            return [str(error)]
        return []

    def cannot(self) -> Mapping[Any, str]:
        return {}

    def close(self) -> None:
        pass

    def _look(self) -> None:
        if (self._home / "never").exists():
            raise EngineError("There is no post here.") from ConfigurationError("There is no post here; move.")
        if (self._home / "closed").exists():
            raise EngineError("The post is closed.")
