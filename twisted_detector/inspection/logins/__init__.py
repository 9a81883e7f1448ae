"""The login budget: which login may be tried on which device, so that no account is ever locked."""
