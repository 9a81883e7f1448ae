"""How a browser gets in for the first time: the token, links that sign in once, Home Assistant's proxy."""
