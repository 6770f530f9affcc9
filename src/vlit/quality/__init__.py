"""Quality: indicators of instruction data, and the filter that turns `ours` into `ours_qc`."""
