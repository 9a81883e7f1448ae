"""The environment goes in; the application comes out. Run it with ``twistd -n -y camdetect.tac``."""

import os
import sys
from socket import gethostname

from twisted.application.service import Application
from twisted.internet import reactor

from twisted_detector.service.garbage import hold

hold()

from twisted_detector.config.load import config_or_exit
from twisted_detector.service.daemon import makeService
from twisted_detector.service.monotonic_reactor import monotonic_reactor

config = config_or_exit(os.environ, hostname=gethostname(), stderr=sys.stderr)
application = Application("camdetect")
makeService(config, monotonic_reactor(reactor)).setServiceParent(application)
