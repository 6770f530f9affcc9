"""The audit: each published derived number recomputed from published inputs."""
