"""rdbench: where latent-variable models stand in the rate-distortion plane."""

__version__ = "0.1.0"
