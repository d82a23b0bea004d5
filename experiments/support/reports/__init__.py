"""Runs as one page of HTML that needs nothing else: what it says, and how it looks."""
