"""The use cases as functions of Python: `xraybatch.train`, `predict`, `score`, `load_model`.

The same code as the commands', without a console. Comes in: paths and tables; goes out: a run, a
`pandas.DataFrame`, a report, each of which shows itself in a notebook. Quiet: a caller passes a
`Progress` (`xraybatch.ConsoleProgress` is one), and what nobody may overlook is a Python warning.
"""
