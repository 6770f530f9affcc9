"""Datasets for a dose-response study: of equal size, each with one principle of paper section 4.1 changed."""
