"""The bench: measures a real gateway from outside, over HTTP; it imports nothing else of the product."""
