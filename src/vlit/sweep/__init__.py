"""A grid of runs: its manifest, starting its cells here or on SLURM, and how far they are.

No room of the pipeline: it starts the commands, and reads what they leave in their run folders.
"""
