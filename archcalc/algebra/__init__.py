"""Numbers that record what is done with them, and what is made of the record."""
