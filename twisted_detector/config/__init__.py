"""Settings: declared once by section; read from the environment, a TOML file and secret files."""
