"""Any two bundles or runs side by side: figures, whether their difference is more than noise, layers, parameters."""
