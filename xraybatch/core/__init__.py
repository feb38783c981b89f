"""The ground floor: errors, statuses, tasks, tables, atomic files, the progress protocol.

Imports nothing of ours and nothing heavy; every other room may import from here.
"""
