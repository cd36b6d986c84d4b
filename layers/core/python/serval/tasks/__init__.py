"""Tasks: what a model does, in the words of the Hugging Face hub.

A task is preparation and interpretation around the runs of a graph: people's text, images, sound
and rows become tensors, and tensors become answers with words in them. Nothing here is imported
until a version needs it.
"""
