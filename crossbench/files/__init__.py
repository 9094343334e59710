"""Files: written whole or not at all, hashed, named, and tied to the checkout that holds them."""
