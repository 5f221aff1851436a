"""Browser tests: a package, so that what they share ends with them. Playwright leaves an event loop running in its thread."""
