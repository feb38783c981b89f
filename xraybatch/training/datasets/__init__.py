"""Data as it is distributed, made ready to be trained on: one checked table with a split.

Comes in: an address, an archive, a folder or a table. Goes out: a folder with ``labels.csv``,
``dataset.json`` and, where they came out of an archive, the films. `fetch` and `films` find the
films; `recognise`, with `forms`, `mura` and `table`, reads what folders and tables say; `patients`
and `spellings` are what a person has to decide; `parts` deals films to train, val and test;
`record` writes; `prepare` is the use case.
"""
