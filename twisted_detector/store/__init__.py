"""SQLite in a thread of its own: cameras, small values, and the journal of the outbox."""
