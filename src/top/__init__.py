"""The commands. Nothing imports from here."""

import logging
import sys
from pathlib import Path

# Python puts the folder of a script that is run first on the path. There, `import test` or `import evaluate` of any
# library would find our commands. This file runs before a script of this folder imports anything but the package.
if sys.path and sys.path[0] and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]

# Grain says through absl, once more in every worker process, that JAX is missing, which it does not need here.
logging.getLogger("absl").setLevel(logging.ERROR)
