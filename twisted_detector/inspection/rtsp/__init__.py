"""RTSP client, stream proof, and the inspector for devices without ONVIF."""
