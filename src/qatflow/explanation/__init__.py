"""Explains what a flatbuffer answers, and whether quantization changed the reasons."""
