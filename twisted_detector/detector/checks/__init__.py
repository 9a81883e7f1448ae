"""Routine checks: who is there, who has to be asked, and what is asked; and the first check after a restart."""
