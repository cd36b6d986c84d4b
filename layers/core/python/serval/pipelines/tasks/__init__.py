"""Pipelines that stand for a model of a task: what they take, and what they have to answer."""
