"""Video of the simulated cameras: H.264 clips, and the painter of still pictures."""
