"""How an acknowledgement reads."""

from __future__ import annotations

from munjigi_client._proto.munjigi.v1 import revocation_pb2 as pb


def everywhere(acknowledgement: pb.Acknowledgement) -> str:
    """Say since when something is true on every worker."""
    text = f"everywhere after {acknowledgement.waited / 1e6:.0f} ms, at revision {acknowledgement.grant_revision}"
    out = acknowledgement.leases_run_out
    return f"{text} ({out} {'worker' if out == 1 else 'workers'} did not answer; the lease has run out)" if out else text
