"""Concrete parts behind the ports of the rooms."""
