"""Text -> Spec -> Graph."""
