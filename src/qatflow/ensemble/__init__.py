"""Combines several flatbuffers into one: chooses the members, weighs them, and merges their graphs."""
