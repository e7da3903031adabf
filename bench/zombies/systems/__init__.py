"""One module for each system: its web app, its task and its workers, as its own documentation shows them."""
