"""The command line: kubectl's words, and kubesim's own."""
