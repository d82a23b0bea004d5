"""Runs read back: metrics, estimates, figures and tables, for scripts and notebooks alike.

Importing it sets nothing up. Estimates, and what is built on them (figures, tables, ranking), need
the extra `results`.
"""
