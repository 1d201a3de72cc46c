"""The page in a browser: one call, a request in JSON to an answer in JSON, and who serves it."""
