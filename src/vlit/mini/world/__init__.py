"""The mini world: pictures whose whole truth is known, with annotations and a benchmark in the published formats.

It stands in for COCO 2014 (paper section 5.1.2) and SEED-Bench (5.1.3) where those cannot be had. The other packages
read only the files that `build.build_world` writes, but for the pre-training of the mini models, which also draws
scenes and writes texts about them.
"""
