"""The door for plugins: hook specifications, the records that hooks return, the registry.

Comes in: whatever distributions declare under the entry-point group ``xraybatch``. Goes out:
records by kind and name, each with its owner, and a row for every plugin that is broken.
"""
