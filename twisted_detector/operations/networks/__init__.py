"""The networks that are searched: those of the configuration and those that a person added, and the command for them.

``site`` holds them as they are now, for all who ask; ``command`` lists and changes them.
"""
