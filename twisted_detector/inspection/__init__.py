"""Inspection of one device: what it is, whether its streams work, pictures of them, and the budget of its logins."""
