"""Admission: what the API server checks and fills in that needs to know more than the object itself."""
