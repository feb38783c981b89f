"""Leaves the program while it is imported, as scripts do."""

import sys

sys.exit(3)
