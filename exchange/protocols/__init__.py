"""What foreign clients speak."""
