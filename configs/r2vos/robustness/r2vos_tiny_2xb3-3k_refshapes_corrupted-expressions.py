# Testing with misspelt expressions. See docs/robustness.md for the other kinds.
_base_ = '../r2vos_tiny_2xb3-3k_refshapes.py'
corruption = dict(type='CorruptExpressions', kind='typos', severity=3)
test_dataloader = dict(
    dataset=dict(pipeline=[_base_.test_pipeline[0], corruption, _base_.test_pipeline[1]])
)
