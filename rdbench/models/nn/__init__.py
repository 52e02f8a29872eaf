"""Layers without probability: gated convolutions, MADE, PixelCNN++ streams."""
