"""Which URLs of devices only read: those of genuine cameras do, and nothing that changes something passes for one."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.wire.http.harmless_target import find_effect

#: As vendors document them or devices gave them, by make.
GENUINE = (
    # Hikvision and its other names
    "/ISAPI/Streaming/channels/101/picture", "/ISAPI/Streaming/channels/101/picture?snapShotImageType=JPEG",
    "/Streaming/channels/1/picture", "/onvif-http/snapshot?Profile_1", "/onvif/snapshot?Profile_1",
    "/ISAPI/ContentMgmt/StreamingProxy/channels/1/picture",
    # Dahua, Amcrest, Lorex
    "/cgi-bin/snapshot.cgi?channel=1&subtype=0", "/cgi-bin/snapshot.cgi?1",
    "/onvifsnapshot/media_service/snapshot?channel=1&subtype=0",
    # Axis
    "/axis-cgi/jpg/image.cgi?resolution=640x480&compression=30&camera=1", "/onvif-cgi/jpg/image.cgi?resolution=1x1",
    "/axis-cgi/jpg/image.cgi?videocodec=jpeg&streamprofile=Quality",
    # Reolink
    "/cgi-bin/api.cgi?cmd=Snap&channel=0&rs=wuuPhkmUCeI9WG7C&user=&password=",
    "/cgi-bin/api.cgi?cmd=onvifSnapPic&channel=0",
    # Foscam, and the older ones
    "/cgi-bin/CGIProxy.fcgi?cmd=snapPicture2&usr=&pwd=", "/snapshot.cgi?user=&pwd=&count=0",
    "/snapshot.cgi?loginuse=&loginpas=",
    # Vivotek
    "/cgi-bin/viewer/video.jpg?channel=0&resolution=640x480&quality=3&streamid=0",
    # Uniview
    "/images/snapshot.jpg", "/LAPI/V1.0/Channels/0/Media/Video/Streams/0/Snapshot",
    # Hanwha (Samsung)
    "/stw-cgi/video.cgi?msubmenu=snapshot&action=view&Profile=1&Channel=0", "/cgi-bin/video.cgi?msubmenu=jpg&profile=1",
    # TP-Link (Tapo, VIGI)
    "/stream/snapshot?profile=profile_1", "/onvif/snapshot.jpg",
    # others
    "/snap.jpg?JpegCam=1", "/SnapshotJPEG?Resolution=640x480&Quality=Standard&View=Normal", "/oneshotimage1",
    "/image?speed=0", "/record/current.jpg", "/control/faststream.jpg?stream=full", "/cgi-bin/image.jpg?imgprof=x",
    "/webcapture.jpg?command=snap&channel=1&user=&password=", "/tmpfs/auto.jpg", "/web/tmpfs/snap.jpg",
    "/cgi-bin/hi3510/snap.cgi?&-getpic", "/cgi-bin/encoder?USER=&PWD=&SNAPSHOT", "/media/cam0/still.jpg?res=max",
    "/img.jpg?x0=0&y0=0&x1=800&y1=600&quality=15&doublescan=0", "/snap.jpeg", "/image/jpeg.cgi",
    "/img/snapshot.cgi?size=3",
    "/api/jpegControl.php?frameRate=1", "/mjpeg/snap.cgi?chn=0", "/jpgimage/1/image.jpg", "/snapshot/PROFILE_000",
    "/Snapshot/1/RemoteImageCapture?ImageFormat=2", "/GetSnapshot/1", "/api/frame.jpeg?src=front", "/x/preview.cgi",
    "/cgi-bin/guest/Video.cgi?media=JPEG&channel=1", "/PictureCatch.cgi?username=&password=&channel=1",
    "/bha-api/image.cgi", "/goform/capture?cmd=capture", "/cgi-bin/camera?resolution=1280&page=1234",
    "/onvif/media_service/snapshot?token=%7B0a1b2c3d-0000-4000-8000-00000000abcd%7D", "/snapshot%20main.jpg",
)  # fmt: skip

#: What a rogue would name, by what it does.
CHANGING = (
    # users
    "/cgi-bin/userManager.cgi?action=addUser&user.Name=evil&user.Password=x&user.Group=admin",
    "/cgi-bin/userManager.cgi", "/snapshot/userManager.cgi",
    "/axis-cgi/pwdgrp.cgi?action=add&user=evil&pwd=x&grp=users",
    "/set_users.cgi?next_url=snapshot.jpg&user1=evil", "/cgi-bin/CGIProxy.fcgi?cmd=addAccount&usrName=evil&usrPwd=x",
    "/cgi-bin/api.cgi?cmd=AddUser&channel=0", "/stw-cgi/security.cgi?msubmenu=users&action=add&UserID=evil",
    "/web/cgi-bin/hi3510/param.cgi?cmd=setuserattr&-at_username=evil", "/ISAPI/Security/users/1",
    "/cgi-bin/snapshot.cgi?ADDUSER", "/snapshot.jpg?adduser=evil", "/snapshot.jpg?_method=PUT",
    # settings, power, firmware
    "/cgi-bin/magicBox.cgi?action=reboot",
    "/cgi-bin/configManager.cgi?action=setConfig&Network.eth0.IPAddress=10.0.0.6",
    "/ISAPI/System/reboot", "/ISAPI/System/factoryReset", "/cgi-bin/cmd/system?REBOOT", "/reboot.cgi?snapshot.jpg",
    "/axis-cgi/param.cgi?action=update&root.Image.x=1", "/axis-cgi/restart.cgi", "/axis-cgi/factorydefault.cgi?image",
    "/cgi-bin/admin/setparam.cgi?system_hostname=snapshot", "/sysreset.jpg", "/restore_factory.cgi",
    "/upgrade_firmware.cgi", "/cgi-bin/api.cgi?cmd=Reboot", "/cgi-bin/api.cgi?cmd=Snap&cmd=Reboot",
    "/cgi-bin/api.cgi?cmd=Snap;cmd=Reboot", "/snapshot.jpg?cmd=formatsd", "/formatsd.cgi?jpg",
    # doors, motors, outputs
    "/bha-api/open-door.cgi", "/fcgi/do?action=OpenDoor&DoorNum=1", "/api/switch/ctrl?switch=1&action=on",
    "/decoder_control.cgi?command=0", "/camera_control.cgi?param=0&value=1", "/cgi-bin/ptz.cgi?action=start&code=Up",
    "/axis-cgi/io/port.cgi?action=1:/", "/axis-cgi/com/ptz.cgi?move=home&camera=1", "/snapshot.jpg?preset=3",
    # disguises
    "/cgi-bin/snapshot.cgi?%61ction=addUser", "/cgi-bin/snapshot.cgi?%2561ction=addUser",
    "/cgi-bin/snapshot.cgi?%252561ction=addUser", "/cgi-bin/snapshot.cgi?%25252561ction=1",
    "/cgi-bin/snapshot.cgi?%u0061ction=addUser", "/cgi-bin/snapshot.cgi?ACTION=ADDUSER",
    "/cgi-bin/snapshot.cgi;action=addUser", "/cgi-bin/snapshot.cgi/../userManager.cgi", "/snapshot/%2e%2e/x.jpg",
    "/snapshot.cgi%3faction=addUser", "/snapshot.cgi?x=1%26action=addUser", "/snapshot.cgi?x=1%0d%0aaction=addUser",
    "/cgi-bin/userManager.cgi/picture.jpg?action=addUser", "/snapshot.jpg?\uff41ction=addUser",
    "/snapshot.jpg?a=%c1%a1",
    "/snapshot.jpg?x=$(reboot)", "/snapshot.jpg?x=`id`", "/snapshot.jpg?x=a|b", "/snapshot.jpg?action",
    "/snapshot?cmd=7",
    "/snapshot.jpg?action=", "/snapshot.jpg?action=Snap%00addUser", "/snapshot.jpg?next=http://10.0.0.6/x",
    "/snapshot.jpg?action=getSnapshot.addUser", "/snapshot.jpg#?action=addUser", "/a\\snapshot.jpg",
    "/snapshot.jpg?100%",
    "/snapshot.jpg?\x00", "/snapshot.jpg?pwd=x&user=evil",
    # nothing that names a picture
    "/", "", "/cgi-bin/x.cgi", "/cgi-bin/global.login?userName=x",
)  # fmt: skip

VERBS = ("reboot", "addUser", "setConfig", "delete", "factoryDefault", "modifyUser", "upgrade", "userManager")


class HarmlessTargets(SynchronousTestCase):
    def test_genuine(self) -> None:
        """The addresses of pictures of genuine cameras only read, with and without a host, and in any case."""
        for target in GENUINE:
            for url in (target, f"http://10.0.0.5:8000{target}", f"https://[fe80::5%25eth0]{target}"):
                self.assertEqual("", find_effect(url), url)

    def test_changing(self) -> None:
        """What changes something is told from a picture, however it is written."""
        for target in CHANGING:
            self.assertNotEqual("", find_effect(target), target)
            self.assertNotEqual("", find_effect(f"http://10.0.0.5{target}"), target)

    def test_verbs_in_genuine_addresses(self) -> None:
        """No address of a picture makes a verb beside it harmless: in the path, as a parameter, as a value."""
        for target in GENUINE:
            joint = "&" if "?" in target else "?"
            for verb in VERBS:
                for text in (verb, verb.lower(), verb.upper()):
                    for url in (f"{target}{joint}action={text}", f"{target}{joint}{text}", f"{target}{joint}x={text}",
                                f"/{text}{target}"):  # fmt: skip
                        self.assertNotEqual("", find_effect(url), url)

    def test_what_is_shown(self) -> None:
        """The reason has no value of a parameter, which may be a secret, and is short."""
        shown = find_effect("/snapshot.jpg?cmd=canary-secret")
        self.assertEqual("cmd", shown)
        self.assertLessEqual(len(find_effect("/snapshot.jpg?set" + "x" * 3000)), 32)

    @given(st.sampled_from(VERBS), st.lists(st.booleans(), min_size=32, max_size=32), st.integers(0, 5))
    def test_any_encoding(self, verb: str, which: list[bool], layers: int) -> None:
        """Whatever letters are encoded, and however often, the verb is found."""
        text = f"action={verb}"
        text = "".join(f"%{ord(one):02x}" if chosen else one for one, chosen in zip(text, which * 2, strict=False))
        for _ in range(layers):
            text = quote(text, safe="=")
        self.assertNotEqual("", find_effect(f"http://10.0.0.5/cgi-bin/snapshot.cgi?{text}"))

    @given(st.text(max_size=200))
    def test_any_text(self, text: str) -> None:
        """Any text is judged, and no text is an exception."""
        self.assertLessEqual(len(find_effect(text)), 40)
