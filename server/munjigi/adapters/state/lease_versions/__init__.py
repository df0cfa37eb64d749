"""Migrations of the file of leases, oldest first."""
