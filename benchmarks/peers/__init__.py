"""The libraries that pynn is measured against, each imported in a process of its own."""
