"""Pieces of HTTP that devices get wrong: URLs, Digest authentication, multipart bodies, lock-out texts."""
