# MeViS. A target is the union of several objects. The masks of valid_u are public, those of valid
# are not.
_base_ = './ref_youtube_vos.py'
mevis = dict(type='MeViSDataset', data_root='data/mevis', video_subset=None)
# Only version 2 has expressions without a target. With version 1, the other kinds replace them.
negatives = dict(shares=dict(_delete_=True, no_target=0.5, other_video=0.5))
train_dataloader = dict(dataset=dict(**mevis, negatives=negatives))
val_dataloader = dict(dataset=dict(**mevis, split='valid_u'))
test_dataloader = dict(dataset=dict(**mevis, split='valid_u'))
val_evaluator = dict(groups=['quality', 'robustness', 'cgf1', 'verdict', 'no_target'])
test_evaluator = val_evaluator
