"""Documents that are run: the commands in README.md and docs/ are executed as they stand there."""
