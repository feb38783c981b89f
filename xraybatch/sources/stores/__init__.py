"""Films of object stores: opened, listed, read; what their refusals mean."""
