"""Asks one device what it is, proves its streams, takes its pictures, and guards its logins."""
