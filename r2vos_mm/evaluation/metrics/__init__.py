"""From data samples to metric values, without torch or MMEngine.

:mod:`.eval_sample` reads a data sample, :mod:`.pair_scores` and :mod:`.object_scores` turn its
masks into numbers, and :mod:`.metric_values` averages them by the protocols of :mod:`.protocols`.
"""
