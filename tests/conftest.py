"""Settings of all tests."""

import os

from hypothesis import settings

# How long an example takes depends on what else the machine does; times are measured in benchmarks/ alone.
settings.register_profile("aifashion", deadline=None)
settings.load_profile("aifashion")

# The commands that are tested are none of the user's.
os.environ["AIFASHION_RUN_LOG"] = ""
# Nor do they leave anything in the user's folders.
os.environ["AIFASHION_CACHE"] = ""
