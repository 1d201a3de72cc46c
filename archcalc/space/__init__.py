"""Questions about many configurations of one spec: its design space."""
