"""The environment goes in; the application comes out. Run it with ``twistd -n -y camdetect.tac``."""

import os
import sys
from socket import gethostname

from twisted.application.service import Application
from twisted.internet import reactor

from twisted_detector.collector import hold

hold()

from twisted_detector.config import config_or_exit
from twisted_detector.service import makeService
from twisted_detector.steady import steady_reactor

config = config_or_exit(os.environ, hostname=gethostname(), stderr=sys.stderr)
application = Application("camdetect")
makeService(config, steady_reactor(reactor)).setServiceParent(application)
