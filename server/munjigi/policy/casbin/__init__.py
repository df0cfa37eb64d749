"""Read any Casbin model and policy into an immutable program (`load.py`). Nothing of the text is ever interpreted as Python."""
