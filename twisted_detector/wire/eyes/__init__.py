"""What an eye and its node say to each other over the broker: topics, signed envelopes, and reports within them."""
