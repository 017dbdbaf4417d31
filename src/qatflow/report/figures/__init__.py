"""Figures as inline SVG. Each function is pure: values in, a `Figure` out, equal values give equal bytes."""
