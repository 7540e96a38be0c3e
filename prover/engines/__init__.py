"""Engines: language models as functions from a request to texts. They know no theorem."""
