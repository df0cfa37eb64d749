"""Ask Munjigi before reading members' personal data."""

__version__ = "0.1.0"
