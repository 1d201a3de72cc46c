"""Numbers -> text. Nothing before this knows how a number is printed."""
