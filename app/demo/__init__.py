"""The demo: a real retailer's catalogue and one week of its orders, fed through the ledger like anyone's."""
