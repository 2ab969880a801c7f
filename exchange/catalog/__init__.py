"""List: datasets, versions, search and offers."""
