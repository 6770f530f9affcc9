"""A grid of runs, here or on SLURM: `python sweep.py launch=slurm models=[llava,blip2] seeds=[0,1,2]`.

Writes the grid as a manifest, one JSON line per cell, and starts what is neither done nor under way: as SLURM arrays
(training, an evaluation after each run, the tables after all), or as as many processes as fit this machine. A cell that
fails stops no other. The same command, given again, finishes what is left; `python status.py` shows how far it is.
`command=assess "grid={data:[llava,ours]}"` makes a grid of another command.
"""

from __future__ import annotations

from omegaconf import DictConfig

from vlit.common.entry import entry
from vlit.common.resolvers import accumulation


@entry("sweep", resolvers={"accumulation": accumulation})
def main(cfg: DictConfig) -> None:
    """Write the manifest and start its cells."""
    from vlit.sweep.start import start

    start(cfg)


if __name__ == "__main__":
    main()
