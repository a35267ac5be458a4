"""The background process of a home: runs commands warm, on the streams of those who call them."""
