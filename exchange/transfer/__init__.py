"""Transfer: decide, desensitize, fingerprint, seal and deliver."""
