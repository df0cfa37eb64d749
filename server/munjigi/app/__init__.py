"""Configuration, composition, and the life of the daemon: supervisor, gateway worker, follower."""
