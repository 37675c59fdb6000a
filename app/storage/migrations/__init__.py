"""Migrations of the tables, oldest first; the one rule: what has been released is never edited, only added to."""
