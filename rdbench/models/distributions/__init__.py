"""Distributions in the contract of ``torch.distributions``: flows, mixtures, autoregressive images."""
