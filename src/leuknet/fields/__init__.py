"""Opens whole blood smears, from one camera field to a whole slide, and finds the cells in them."""
