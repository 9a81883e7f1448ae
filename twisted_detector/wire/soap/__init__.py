"""SOAP 1.2 envelopes and the XML below them, read tolerantly and within bounds."""
