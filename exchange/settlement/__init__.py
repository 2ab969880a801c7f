"""Pay: a double-entry book, escrow held at funding, released on acceptance, refunded when undelivered."""
