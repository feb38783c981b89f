"""Models side by side: what ``xraybatch compare`` calls.

In come run folders, or results tables with labels; out goes an `evaluation.comparison.Comparison`.
Nothing is trained or predicted: numbers are made of what is written, costs are read off.
"""
