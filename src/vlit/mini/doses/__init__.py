"""Datasets in which one principle of quality differs from a base, by levels."""
