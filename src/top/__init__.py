"""The commands. Nothing imports from here."""

import logging

# Grain says through absl, once more in every worker process, that JAX is missing, which it does not need here.
logging.getLogger("absl").setLevel(logging.ERROR)
