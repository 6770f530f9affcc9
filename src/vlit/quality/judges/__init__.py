"""Judges of a response: models that are asked, and models whose likelihoods are compared."""
