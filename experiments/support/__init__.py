"""What the commands share. Importing any of it sets nothing up."""
