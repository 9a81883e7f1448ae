"""The list of the simulated devices' ends of manufacturers' discovery protocols."""

from __future__ import annotations

from twisted_detector.testing.simulator.vendors.bosch import BoschDevice
from twisted_detector.testing.simulator.vendors.dahua_old import DahuaOldDevice
from twisted_detector.testing.simulator.vendors.device import VendorDevice
from twisted_detector.testing.simulator.vendors.dhip import DhipDevice
from twisted_detector.testing.simulator.vendors.foscam import FoscamDevice
from twisted_detector.testing.simulator.vendors.hanwha import HanwhaDevice
from twisted_detector.testing.simulator.vendors.panasonic import PanasonicDevice, PanasonicReversedDevice
from twisted_detector.testing.simulator.vendors.pppp import PpppDevice
from twisted_detector.testing.simulator.vendors.reolink import ReolinkDevice
from twisted_detector.testing.simulator.vendors.sadp import SadpDevice
from twisted_detector.testing.simulator.vendors.sony import SonyDevice
from twisted_detector.testing.simulator.vendors.tplink import TplinkDevice, TplinkKasaDevice
from twisted_detector.testing.simulator.vendors.tvt import TvtDevice
from twisted_detector.testing.simulator.vendors.ubiquiti import UbiquitiDevice
from twisted_detector.testing.simulator.vendors.vision360 import Vision360Device
from twisted_detector.testing.simulator.vendors.vivotek import VivotekDevice
from twisted_detector.testing.simulator.vendors.vstarcam import VStarcamDevice
from twisted_detector.testing.simulator.vendors.xm import XmDevice

#: By name.
DEVICES: dict[str, type[VendorDevice]] = {
    one.name: one
    for one in (
        SadpDevice,
        DhipDevice,
        DahuaOldDevice,
        XmDevice,
        ReolinkDevice,
        HanwhaDevice,
        TvtDevice,
        TplinkKasaDevice,
        TplinkDevice,
        UbiquitiDevice,
        BoschDevice,
        VivotekDevice,
        FoscamDevice,
        SonyDevice,
        PanasonicDevice,
        PanasonicReversedDevice,
        VStarcamDevice,
        PpppDevice,
        Vision360Device,
    )
}
