"""Why a network's numbers are what they are."""
