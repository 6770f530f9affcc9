"""A run on disk: its folder, who works in it, one start of it, and where its numbers come from."""
