"""Where policies live: protocols, and the stores that keep them."""
