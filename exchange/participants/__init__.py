"""Join: organisations, their people, roles and keys."""
