"""What holds for every kind: identities, metadata, errors, selectors, schema, patches, the scheme of resources."""
