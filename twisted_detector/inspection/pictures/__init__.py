"""Takers of still pictures: the snapshot URL of a camera, or a decoded keyframe of its stream."""
