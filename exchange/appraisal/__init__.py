"""Value: quality, estimates and price plans."""
