"""Results as DICOM structured reports, one for each film that was answered.

Comes in: a results table with its run record and model, and the headers of its films. Goes out: one
file a film, a Comprehensive SR after TID 1500, in the study of the film. The same row makes the
same bytes. Only `content` and `document` import highdicom, of the extra ``pacs``.
"""
