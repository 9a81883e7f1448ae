"""The daemon as an application for ``twistd -n -y camdetect.tac``, configured by the environment."""

import gc
import os
import sys
from functools import partial
from socket import gethostname

from twisted.application.service import Application
from twisted.internet import reactor
from twisted.logger import ILogObserver
from txaio.tx import get_global_log_level

# Until the daemon has started (service/daemon.py): what is imported and built before lives as long as the process. To
# look through it again and again while it grows took 120 of 970 ms of importing, and a last full collection another 50
# to 85, to find 1 750 objects that nobody needs. The other two roots do the same.
gc.disable()

from twisted_detector.config.load import config_or_exit, load
from twisted_detector.service.daemon import exit_with_status, makeService
from twisted_detector.service.log_lines import log_observer, takes_own_lines
from twisted_detector.service.monotonic_reactor import monotonic_reactor
from twisted_detector.service.process_hardening import forbid_inspection

forbid_inspection()  # before the first password is read
config = config_or_exit(os.environ, hostname=gethostname(), stderr=sys.stderr)
application = Application("camdetect")
if takes_own_lines(sys.argv[1:]):
    observer = log_observer(sys.stdout, level=get_global_log_level, environment=os.environ)
    application.setComponent(ILogObserver, observer)
load_again = partial(load, os.environ, hostname=gethostname())
daemon = makeService(config, monotonic_reactor(reactor), load_again)
daemon.setServiceParent(application)
exit_with_status(daemon)
