"""siVAE and the other methods of the paper's figures 2 to 5, on the same cells.

A method is a function in its own module under ``embeddings``, ``interpretations`` or ``networks``,
and one line in a table of :mod:`popnet.comparisons.registry`. Methods are independent of each
other; the other modules of this package compare their results.
"""
