"""The model file: an ONNX graph that carries its card, a seal and a self-test.

Comes in: a path. Goes out: a `Model` that was checked, and sessions that run it on a device. What
a finished training run is (`RunInfo`) stands here too.
"""
