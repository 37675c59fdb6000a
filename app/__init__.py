"""The outside of the gateway: settings, storage, workers, HTTP, and the command line."""
