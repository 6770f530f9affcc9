"""Grids of runs, on this machine and on SLURM, and how far they are."""
