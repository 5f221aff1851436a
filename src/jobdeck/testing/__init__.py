"""Tools for tests of jobdeck itself. The product imports nothing from here."""
