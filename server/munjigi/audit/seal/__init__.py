"""The seal: a Merkle tree over each log, one signed checkpoint over all of them, proofs, and witnesses.

Rules and formats are public ones, so that nobody needs our code to check us: RFC 6962 trees, C2SP signed notes
(c2sp.org/signed-note), checkpoints (c2sp.org/tlog-checkpoint) and witnesses (c2sp.org/tlog-witness).
"""
