"""TFX's Trainer with one more input, the catalogue."""
