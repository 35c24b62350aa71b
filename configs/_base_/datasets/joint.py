# Joint training on Refer-YouTube-VOS and on clips of jittered images of RefCOCO, RefCOCO+ and
# RefCOCOg, without balancing, as in ReferFormer.
_base_ = ['./ref_youtube_vos.py', './refcoco_files.py']
images = [
    dict(
        type='RefCOCODataset',
        data_root=_base_.coco_root,
        ann_file=ann_file,
        split='train',
        held_out_by=list(_base_.ann_files.values()),
        dataset_name=name,
        clip_length=_base_.clip_length,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=_base_.pseudo_clip_pipeline,
    )
    for name, ann_file in _base_.ann_files.items()
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        ignore_keys=['dataset_name'],  # differs between the data sets
        datasets=[*images, _base_.train_dataloader.dataset],
    )
)
