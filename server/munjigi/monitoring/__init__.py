"""The metrics catalogue, and counting that costs the hot path next to nothing."""
