"""The list of the manufacturers' discovery protocols that are spoken: a new one is added here.

What several recognise is read by the first that can, those first whose port it came from.
"""

from __future__ import annotations

from twisted_detector.wire.vendors.bosch import Bosch
from twisted_detector.wire.vendors.dahua_old import DahuaOld
from twisted_detector.wire.vendors.dhip import Dhip
from twisted_detector.wire.vendors.foscam import Foscam
from twisted_detector.wire.vendors.hanwha import Hanwha
from twisted_detector.wire.vendors.panasonic import Panasonic, PanasonicReversed
from twisted_detector.wire.vendors.pppp import Pppp
from twisted_detector.wire.vendors.protocol import VendorProtocol
from twisted_detector.wire.vendors.reolink import Reolink
from twisted_detector.wire.vendors.sadp import Sadp
from twisted_detector.wire.vendors.sony import Sony
from twisted_detector.wire.vendors.tplink import Tplink, TplinkKasa
from twisted_detector.wire.vendors.tvt import Tvt
from twisted_detector.wire.vendors.ubiquiti import Ubiquiti
from twisted_detector.wire.vendors.vision360 import Vision360
from twisted_detector.wire.vendors.vivotek import Vivotek
from twisted_detector.wire.vendors.vstarcam import VStarcam
from twisted_detector.wire.vendors.xm import Xm

PROTOCOLS: tuple[VendorProtocol, ...] = (
    Sadp(),
    Dhip(),
    DahuaOld(),
    Xm(),
    Reolink(),
    Hanwha(),
    Tvt(),
    TplinkKasa(),
    Tplink(),
    Ubiquiti(),
    Bosch(),
    Vivotek(),
    Foscam(),
    Sony(),
    Panasonic(),
    PanasonicReversed(),
    VStarcam(),
    Pppp(),
    Vision360(),
)
