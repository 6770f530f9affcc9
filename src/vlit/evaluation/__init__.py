"""SEED-Bench and files like it: load, score by ranking or generation, accuracies with intervals, controls (5.1.3)."""
