"""How the source code of a network is written: blocks, their classes, and the lines of each."""
