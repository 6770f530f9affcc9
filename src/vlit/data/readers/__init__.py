"""One reader a published format. The configuration names the one to call (Hydra's `_target_`)."""
