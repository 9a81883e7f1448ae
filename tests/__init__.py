"""Every test. Hypothesis is told once that machines are noisy: how long an input takes is no fault."""

import sys

# Processes that tests start import this package too, and are weighed: a runner alone has hypothesis.
if {"pytest", "twisted.trial.runner"} & set(sys.modules):
    from hypothesis import HealthCheck, settings

    settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("noisy")
