"""The mini world: pictures whose whole truth is known, with annotations and a benchmark in the published formats."""
