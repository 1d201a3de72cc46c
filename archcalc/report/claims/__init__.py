"""What others printed, beside what is computed."""
