"""Clustering algorithms the indicators rest on: Ego-Splitting and DBSCAN."""
