"""Makes models smaller by other means than narrow numbers: pruning, clustering, channels, low rank."""
