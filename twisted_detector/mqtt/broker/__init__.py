"""The embedded broker: a child process on loopback, for an installation without a broker of its own."""
