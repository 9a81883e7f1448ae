"""Durable priority queue of messages that the broker has not acknowledged yet."""
