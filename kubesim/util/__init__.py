"""Building blocks with nothing of Kubernetes inside: time, identities, numbers with units, texts."""
