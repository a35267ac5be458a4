"""Label selectors: parsing, matching, and the texts of k8s.io/apimachinery/pkg/labels."""
