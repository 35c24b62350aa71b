# RefCOCO, RefCOCO+ and RefCOCOg. They share images across their splits, so the images of all
# validation and test splits are excluded from training. Validated on RefCOCO.
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
