"""Notices on their way out of the house: what waits, a webhook, mail."""
