# RefCOCO+: sentences without words of place.
_base_ = './refcoco.py'
refcocoplus = dict(ann_file='refcoco+/refs(unc).p', dataset_name='refcoco+')
train_dataloader = dict(dataset=refcocoplus)
val_dataloader = dict(dataset=refcocoplus)
test_dataloader = dict(dataset=refcocoplus)
