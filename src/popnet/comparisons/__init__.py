"""siVAE beside the other methods of the paper's figures 2 to 5, on the same cells.

A method is a function in a module of its own under ``embeddings``, ``interpretations`` or
``networks``, and one line in a table of :mod:`popnet.comparisons.registry`. Methods know nothing of
each other; the modules beside them compare what they give.
"""
