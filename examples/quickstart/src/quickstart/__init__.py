"""The program of the quickstart image."""
