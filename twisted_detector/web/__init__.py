"""The page, the JSON API, and server-sent events."""
