"""ONVIF requests and answers, scopes, and service addresses."""
