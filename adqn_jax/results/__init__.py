"""Runs read back: metrics, estimates, figures and tables, for scripts and notebooks alike.

Importing it sets nothing up. Figures and estimates need the extra `results`.
"""
