"""Every test. Hypothesis is told once that machines are noisy: how long an input takes is no fault.

What Python or a library will no longer allow is a fault where our own lines do it (``OLD_WAYS``), under trial as under
pytest: a warning that scrolls by has let a version of Python come out on which nothing ran.
"""

import re
import sys
import warnings
from pathlib import Path

#: What tells of a change to come. (Trial itself uses what is pending only.)
OLD_WAYS = (DeprecationWarning, FutureWarning)
#: The module that a warning is counted to, by the name that Python gives it or (trial warns again) by its file. No
#: colon in it: pytest has it between colons.
OURS = (
    rf"({re.escape(str(Path(__file__).resolve().parents[1])).replace(':', '.')}/)?"
    r"(twisted_detector|twisted[./]plugins|plugins|tests|benchmarks|camdetect)\b"
)

# Processes that tests start import this package too, and are weighed: a runner alone has hypothesis.
if {"pytest", "twisted.trial.runner"} & set(sys.modules):
    from hypothesis import HealthCheck, settings

    settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("noisy")

    for old_way in OLD_WAYS:
        warnings.filterwarnings("error", category=old_way, module=OURS)
