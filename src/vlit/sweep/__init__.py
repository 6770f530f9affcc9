"""Grids of any command, on this machine and on SLURM, and how far they are. The experiments use no other launcher."""
