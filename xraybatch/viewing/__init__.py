"""One film and what a model says of it: what ``xraybatch show`` calls.

In come a film's file and a model; out goes a `View`, its heat map laid back over the film as it
is. Everything comes from the model file through onnxruntime; no picture is drawn here.
"""
