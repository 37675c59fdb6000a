"""The rules of stock: pure functions over values, standard library only; no clock, no random, no I/O."""
