# gRefCOCO: expressions about one object, several, or none; the last are negative pairs.
_base_ = './refcoco.py'
grefcoco = dict(
    type='GRefCOCODataset', ann_file='grefcoco/grefs(unc).json', dataset_name='grefcoco'
)
negatives = dict(shares=dict(no_target=1.0))
train_dataloader = dict(dataset=dict(**grefcoco, negatives=negatives))
val_dataloader = dict(dataset=grefcoco)
test_dataloader = dict(dataset=grefcoco)
val_evaluator = dict(groups=['quality', 'robustness', 'cgf1', 'verdict', 'no_target', 'boxes'])
test_evaluator = val_evaluator
