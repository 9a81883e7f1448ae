"""``twistd camdetect``: the same as ``twistd -y camdetect.tac``, found by name.

There is no ``twisted/__init__.py`` beside this folder and there must be none: it would hide Twisted itself.
"""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from socket import gethostname

from twisted.application.service import IService, IServiceMaker
from twisted.plugin import IPlugin
from twisted.python.usage import Options
from zope.interface import implementer


class CamdetectOptions(Options):
    """No options: everything is set by the environment (docs/configuration.md)."""

    longdesc = "Finds the IP cameras on your networks. Settings come from the environment: docs/configuration.md."


@implementer(IServiceMaker, IPlugin)
class CamdetectMaker:
    """Maker of the service for twistd."""

    tapname = "camdetect"
    description = "Finds the IP cameras on your networks and reports them over MQTT."
    options = CamdetectOptions

    def makeService(self, options: Options) -> IService:
        """Read the environment and build the service; exit status 2 when the configuration has faults."""
        gc.disable()  # until the daemon has started; why: camdetect.tac

        # imported here because every twistd command imports every plugin, only to list it
        from twisted.internet import reactor
        from txaio.tx import get_global_log_level

        from twisted_detector.config.load import config_or_exit, load
        from twisted_detector.service.daemon import exit_with_status, makeService
        from twisted_detector.service.log_lines import LoggedService, log_observer, takes_own_lines
        from twisted_detector.service.monotonic_reactor import monotonic_reactor
        from twisted_detector.service.process_hardening import forbid_inspection

        forbid_inspection()  # before the first password is read
        config = config_or_exit(os.environ, hostname=gethostname(), stderr=sys.stderr)
        load_again = partial(load, os.environ, hostname=gethostname())
        daemon = makeService(config, monotonic_reactor(reactor), load_again)
        exit_with_status(daemon)
        if not takes_own_lines(sys.argv[1:]):
            return daemon
        observer = log_observer(sys.stdout, level=get_global_log_level, environment=os.environ)
        service: IService = LoggedService(daemon, observer)
        return service


maker = CamdetectMaker()
