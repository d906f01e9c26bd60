"""How reference points of problems are found: chance, the best natural image, the best known value."""
