"""What all tests share."""

from hypothesis import settings

# Tests are not timed: the machines are noisy. They are the same on every run, so that a change
# that turns them red is the change that broke them.
settings.register_profile("archcalc", deadline=None, derandomize=True)
settings.load_profile("archcalc")
