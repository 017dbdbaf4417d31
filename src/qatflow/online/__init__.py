"""Online training: streams of records, labels that arrive late, and what learns from them."""
