"""Events go in, messages for one consumer come out; one file per consumer."""
