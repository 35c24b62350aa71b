# Joint training: clips made of the images of RefCOCO, RefCOCO+ and RefCOCOg by jitter, together
# with Refer-YouTube-VOS, without balancing, as ReferFormer does.
_base_ = './ref_youtube_vos.py'
coco_root = 'data/coco'
ann_files = {
    'refcoco': 'refcoco/refs(unc).p',
    'refcoco+': 'refcoco+/refs(unc).p',
    'refcocog': 'refcocog/refs(umd).p',
}

pseudo_clip_pipeline = [
    # Every frame is moved on its own; flip, size and colours are the same for all.
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='LoadMasks'),
            dict(type='JitterFrame'),
        ],
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='RandomFlip', prob=0.5)],
    ),
    dict(
        type='RandomChoice',
        transforms=[
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[_base_.resize],
                )
            ],
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=_base_.crop_and_resize,
                )
            ],
        ],
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='ClipPhotoMetricDistortion')],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
images = [
    dict(
        type='RefCOCODataset',
        data_root=coco_root,
        ann_file=ann_file,
        split='train',
        held_out_by=list(ann_files.values()),
        dataset_name=name,
        clip_length=_base_.clip_length,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=pseudo_clip_pipeline,
    )
    for name, ann_file in ann_files.items()
]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        # each set has a name of its own
        ignore_keys=['dataset_name'],
        datasets=[*images, _base_.train_dataloader.dataset],
    )
)
