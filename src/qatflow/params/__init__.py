"""Typed, frozen parameters, a module a section. No defaults live anywhere else; `params_file` reads the file."""
