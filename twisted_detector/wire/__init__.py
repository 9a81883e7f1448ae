"""The bytes of every protocol and the values they mean, both ways; no reactor, no clock, no sockets."""
