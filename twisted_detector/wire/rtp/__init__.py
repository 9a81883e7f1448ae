"""RTP and RTCP packets, and the video in them: H.264, H.265, JPEG, keyframes."""
