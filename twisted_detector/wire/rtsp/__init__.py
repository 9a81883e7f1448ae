"""RTSP messages, URLs and session descriptions (SDP)."""
