"""The report: a self-contained page for people, a JSON file for programs. It reads artifacts and trains nothing."""
