"""Supervise: integrity, verification queue and the market at a glance."""
