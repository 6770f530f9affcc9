"""Clients of language and vision-language models: a server, batch files, a local folder; replies are cached."""
