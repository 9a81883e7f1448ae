"""An address goes in, what stands there comes out."""
