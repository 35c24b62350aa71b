# Refer-YouTube-VOS with negative pairs, made by tools/dataset_converters/build_r2_pairs.py (see
# docs/datasets.md). The challenge's videos have no masks: R and the verdict only.
_base_ = './ref_youtube_vos.py'
val_dataloader = dict(dataset=dict(pairs_file='pairs/holdout-easy-n1.json'))
test_dataloader = dict(dataset=dict(pairs_file='pairs/valid-easy-n1.json'))
test_evaluator = dict(type='JFRMetric', groups=['robustness', 'verdict'])
