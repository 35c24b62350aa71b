# RefCOCO, RefCOCO+ and RefCOCOg together, without the images of any one's validation and test:
# the sets share images across their splits. Validation on that of RefCOCO.
_base_ = './refcoco.py'
ann_files = {
    'refcoco': 'refcoco/refs(unc).p',
    'refcoco+': 'refcoco+/refs(unc).p',
    'refcocog': 'refcocog/refs(umd).p',
}
parts = [
    dict(
        type='RefCOCODataset',
        data_root=_base_.data_root,
        ann_file=ann_file,
        split='train',
        held_out_by=list(ann_files.values()),
        dataset_name=name,
        clip_length=1,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=_base_.train_pipeline,
    )
    for name, ann_file in ann_files.items()
]
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=parts))
