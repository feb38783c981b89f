"""Making models: films and labels to a run folder, and a run's model to other formats.

Comes in: `TrainOptions`. Goes out: a `Run`, whose folder holds the sealed model and everything that
says how it came to be. With the plugins, the only room that knows Keras, imported where it is used
and by way of `backend`, so that it stays quiet. `labels` finds the films and what is known of them,
`truth` turns that into numbers, `split` deals films to parts, `cache` decodes; `network`, `heads`
and `fit` train; `gate` compares the exported file with Keras; `train` and `export` are the two use
cases. `adoption` makes models of ONNX files from elsewhere.
"""
