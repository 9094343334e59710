"""Getting data: downloads, archives, terms and what is there already."""
