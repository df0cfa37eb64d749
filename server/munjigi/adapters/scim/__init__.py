"""SCIM 2.0 Users (RFC 7643, RFC 7644): the identity provider says who comes, moves and leaves."""
