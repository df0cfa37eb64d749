"""Migrations of the tables of counted use, oldest first."""
