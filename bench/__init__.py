"""What docs/performance.md quotes, each a command: `python -m bench` runs all of them."""
