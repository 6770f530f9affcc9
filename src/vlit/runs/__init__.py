"""A run on disk: its folder, its owner, one start of it, and where its numbers come from."""
