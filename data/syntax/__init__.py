"""Lean text, read without Lean: tokens, commands, declarations, the normal form of statements, and layout."""
