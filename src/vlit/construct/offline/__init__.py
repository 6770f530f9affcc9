"""The offline generator: writes conversations out of the facts of a mini-world image, where an LLM would elsewhere."""
