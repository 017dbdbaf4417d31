"""From measured variants to a promoted champion: gates, bundle, promotion log. Does not import MLflow or TensorFlow."""
