"""Pictures of cameras: in turn, on demand, and live while somebody looks."""
