"""Policy home: parse, lint, test and compile the security team's files into one immutable bundle."""
