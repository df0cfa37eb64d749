"""Who is who, from the outside: tokens and their keys, the local issuer, certificates."""
