"""How the drill starts a worker: `python -m jobdeck.drill.tether PARENT MODULE WORD...` is `python -m MODULE WORD...`, which the
kernel kills when the parent dies, however that dies.
"""

from __future__ import annotations

import runpy
import sys

from ..processes import identity

if __name__ == "__main__":
    _, parent, module, *words = sys.argv
    identity.die_with_parent(int(parent))
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
