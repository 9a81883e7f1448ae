"""Manufacturers' own discovery protocols from the device's end: what each answers, and to what, without I/O."""
