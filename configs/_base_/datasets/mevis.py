# MeViS: a target is a union of objects. valid_u has masks; the masks of valid are on a server.
_base_ = './ref_youtube_vos.py'
mevis = dict(type='MeViSDataset', data_root='data/mevis', video_subset=None)
# Version 2 has expressions without a target; version 1 leaves their share to the others.
negatives = dict(shares=dict(_delete_=True, no_target=0.5, other_video=0.5))
train_dataloader = dict(dataset=dict(**mevis, negatives=negatives))
val_dataloader = dict(dataset=dict(**mevis, split='valid_u'))
test_dataloader = dict(dataset=dict(**mevis, split='valid_u'))
val_evaluator = dict(groups=['quality', 'robustness', 'verdict', 'no_target'])
test_evaluator = val_evaluator
