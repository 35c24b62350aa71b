# RefCOCOg, umd split: longer expressions.
_base_ = './refcoco.py'
refcocog = dict(ann_file=_base_.ann_files['refcocog'], dataset_name='refcocog')
train_dataloader = dict(dataset=refcocog)
val_dataloader = dict(dataset=refcocog)
test_dataloader = dict(dataset=refcocog)
