"""A made-up company at work, as timed events out of a seed. Pure: no clock, no disk, no answer that it listens to.

What it knows of the world is the sample policy's words (tools, purposes, columns) and a calendar. It shares no constant with what judges
its records, such as detectors and reviews: those must find what is there, not what they were told.
"""
