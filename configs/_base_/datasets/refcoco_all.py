# RefCOCO, RefCOCO+ and RefCOCOg together, without the images of any one's validation and test:
# the sets share images across their splits. Validation on that of RefCOCO.
_base_ = './refcoco.py'
parts = [
    dict(
        _base_.train_dataloader.dataset,
        ann_file=ann_file,
        held_out_by=list(_base_.ann_files.values()),
        dataset_name=name,
    )
    for name, ann_file in _base_.ann_files.items()
]
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=parts))
