# Refer-YouTube-VOS with negative pairs from tools/dataset_converters/build_r2_pairs.py (see
# docs/datasets.md). Test videos have no public masks, so only R and the verdict are evaluated.
_base_ = './ref_youtube_vos.py'
val_dataloader = dict(dataset=dict(pairs_file='pairs/holdout-easy-n1.json'))
test_dataloader = dict(dataset=dict(pairs_file='pairs/valid-easy-n1.json'))
test_evaluator = dict(type='JFRMetric', groups=['robustness', 'cgf1', 'verdict'])
