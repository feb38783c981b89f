"""A report as one HTML page that opens from disk and asks no network for anything.

Comes in: a `Report` and, if a person wants to look at films, a `Gallery`; or a `Comparison`. Goes
out: the text of the page. Every number in it is the report's own; the scripts only choose among
counts that are there.
"""

from xraybatch.reports.page.comparison import to_comparison_page
from xraybatch.reports.page.document import to_page

__all__ = ["to_comparison_page", "to_page"]
