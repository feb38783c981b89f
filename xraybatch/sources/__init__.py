"""Where bytes come from, and which of them are films: folders, files, globs and lists.

Comes in: the arguments of a command, and how the readers recognise a film. Goes out: items in the
one order that everything keeps, and how many files were left out, by reason; and which film of one
table is which of another. Nothing is decoded and nothing is written here.
"""
