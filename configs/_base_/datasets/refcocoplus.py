# RefCOCO+: expressions without location words.
_base_ = './refcoco.py'
refcocoplus = dict(ann_file=_base_.ann_files['refcoco+'], dataset_name='refcoco+')
train_dataloader = dict(dataset=refcocoplus)
val_dataloader = dict(dataset=refcocoplus)
test_dataloader = dict(dataset=refcocoplus)
