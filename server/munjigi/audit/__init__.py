"""Records, the journal that holds them, and everything that proves it whole."""
