"""What outsiders say of the log: witnesses' cosignatures and an authority's time stamps; no step of the exchange waits for them."""
