"""A foreign RTSP server with many streams: GStreamer's. Run with the system's python3 (python3-gi).

    python3 gst_many.py ADDRESS PORT COUNT CLIP

Paths are /stream0, /stream1, … CLIP is a Matroska file with H.264: a hundred encoders would be all that is measured.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402


def main() -> None:
    address, port, count, clip = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service(port)
    server.set_backlog(512)
    mounts = server.get_mount_points()
    for number in range(int(count)):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_shared(True)
        source = f'filesrc location="{clip}" ! matroskademux ! h264parse'
        factory.set_launch(f"( {source} ! rtph264pay name=pay0 pt=96 config-interval=-1 )")
        mounts.add_factory(f"/stream{number}", factory)
    if not server.attach(None):
        sys.exit("cannot listen")
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
