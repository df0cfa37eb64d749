"""Pictures of panels, by matplotlib: the extra `munjigi[report]`."""
