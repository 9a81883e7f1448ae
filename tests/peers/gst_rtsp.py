"""A foreign RTSP server: GStreamer's, with a test picture. Run with the system's python3 (python3-gi).

    python3 gst_rtsp.py ADDRESS PORT PATH CODEC AUTH [USER PASSWORD]

CODEC: h264, h265, jpeg. AUTH: none, basic, digest. The login may be in SIMULATOR_LOGIN (``user:password``) instead,
where nobody else on the machine can read it.
"""

import os
import random
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PIPELINES = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph265pay name=pay0 pt=96",
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}


class Factory(GstRtspServer.RTSPMediaFactory):
    """Begins anew for who comes when nobody was there, in another colour: no camera takes the same picture twice."""

    def __init__(self, codec: str) -> None:
        super().__init__()
        self.codec = codec

    def do_create_element(self, _url: object) -> object:
        picture = f"videotestsrc is-live=true pattern=ball foreground-color={random.randrange(0xFF404040, 0xFFFFFFFF)}"
        size = "video/x-raw,format=I420,width=640,height=360,framerate=15/1"
        return Gst.parse_launch(f"( {picture} ! {size} ! {PIPELINES[self.codec]} )")


def main() -> None:
    address, port, path, codec, auth, *login = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service(port)
    factory = Factory(codec)
    factory.set_shared(True)
    login = login or os.environ.get("SIMULATOR_LOGIN", "").split(":", 1)
    if auth != "none":
        method = {"basic": GstRtsp.RTSPAuthMethod.BASIC, "digest": GstRtsp.RTSPAuthMethod.DIGEST}[auth]
        guard = GstRtspServer.RTSPAuth()
        guard.set_supported_methods(method)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        if auth == "basic":
            guard.add_basic(GstRtspServer.RTSPAuth.make_basic(*login), token)
        else:
            guard.add_digest(*login, token)
        server.set_auth(guard)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit("cannot listen")
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
