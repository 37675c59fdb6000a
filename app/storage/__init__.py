"""All SQL lives here: tables, named statements by noun, and the drivers that run them."""
