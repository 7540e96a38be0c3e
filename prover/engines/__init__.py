"""Engines: what turns a request into text. They know no theorem."""
