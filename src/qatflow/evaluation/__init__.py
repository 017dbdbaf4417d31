"""Measures flatbuffers, never their Keras stand-ins: merit, agreement, significance, speed, memory, layers."""
