"""lvmteach: latent variable models, from Monte Carlo to the importance weighted autoencoder.

Nothing is re-exported: `from lvmteach.bounds import iwae` names the lecture that `iwae` belongs to.
"""
