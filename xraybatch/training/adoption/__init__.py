"""Adoption: an ONNX classifier that was made elsewhere becomes a model like our own.

Comes in: a foreign file and `AdoptOptions`. Goes out: a sealed model file. `foreign` reads the
file as what it is, something from a stranger; `graph` and `ultralytics` say what it tells of
itself; `decide` and `question` put that beside what a person says, and ask for what is missing;
`batch` and `front` write the new graph; `original` is the old one with films prepared by hand,
which `adopt` compares it with. Nothing outside this folder knows that foreign models exist.
"""
