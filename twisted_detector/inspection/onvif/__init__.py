"""ONVIF inspector: one interview over SOAP, first without a login."""
