"""What every package uses: errors in one line, files written whole or not at all, and how a command starts."""
