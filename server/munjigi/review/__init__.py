"""Reviews: what was used of each grant, a frozen plan of what goes, people's word on it, and how it is applied and undone."""
