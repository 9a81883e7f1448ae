"""RTSP server of the simulated cameras."""
