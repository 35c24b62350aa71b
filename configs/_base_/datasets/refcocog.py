# RefCOCOg, umd split: longer sentences.
_base_ = './refcoco.py'
refcocog = dict(ann_file='refcocog/refs(umd).p', dataset_name='refcocog')
train_dataloader = dict(dataset=refcocog)
val_dataloader = dict(dataset=refcocog)
test_dataloader = dict(dataset=refcocog)
