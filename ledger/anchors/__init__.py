"""Anchors: independent, asynchronous attachments that tie a checkpoint to a time and a place outside the log."""
