"""Tables and figures of the paper, from its own numbers or from our runs."""
