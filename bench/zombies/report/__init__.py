"""What is made of zombies.json: two pictures, a page, a text. ``python -m bench.zombies.report`` makes them anew."""
