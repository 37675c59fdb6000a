"""Files in and out: CSV into the ledger and the catalogue, and back, a bounded piece at a time."""
