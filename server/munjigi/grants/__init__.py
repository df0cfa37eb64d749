"""People, and who holds which role, for which purpose, from when to when."""
