# First stage of ../r2vos_tiny_2xb3-3k_refshapes.py: the backbone learns the colour, texture and
# shape of every pixel, without expressions. The models of the paper start from ImageNet or Kinetics
# weights instead.
_base_ = ['../../_base_/models/r2vos_tiny.py', '../../_base_/default_runtime.py']
max_iters = 2400
warmup = 100
num_classes = 109  # background, 6 colours x 3 textures x 6 shapes
model = dict(
    _delete_=True,
    type='mmseg.EncoderDecoder',
    data_preprocessor=dict(
        type='mmseg.SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=32,
    ),
    backbone={{_base_.model.backbone}},
    decode_head=dict(
        type='mmseg.FCNHead',
        in_channels=[128, 256],
        in_index=[1, 2],  # strides 8, 16
        input_transform='resize_concat',
        channels=128,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=num_classes,
        align_corners=False,
        norm_cfg=dict(type='GN', num_groups=8),
        # most pixels are background
        loss_decode=dict(
            type='mmseg.CrossEntropyLoss', class_weight=[0.2] + [1.0] * (num_classes - 1)
        ),
    ),
    test_cfg=dict(mode='whole'),
)
train_pipeline = [
    dict(type='mmseg.LoadImageFromFile'),
    dict(type='mmseg.LoadAnnotations'),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(
        type='mmseg.PhotoMetricDistortion',
        brightness_delta=20,
        contrast_range=(0.8, 1.2),
        saturation_range=(0.8, 1.2),
        hue_delta=4,
    ),
    dict(type='SubsampleSegMap', stride=4),  # 109 full maps cost more than the backbone
    dict(type='mmseg.PackSegInputs'),
]
test_pipeline = [
    dict(type='mmseg.LoadImageFromFile'),
    dict(type='mmseg.LoadAnnotations'),
    dict(type='mmseg.PackSegInputs'),
]
dataset = dict(
    type='RefShapesFrames', data_root='data/refshapes', attributes=['colour', 'texture', 'shape']
)
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True, seed=0),
    dataset=dict(split='train', pipeline=train_pipeline, **dataset),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='valid', pipeline=test_pipeline, **dataset),
)
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_dataloader = val_dataloader
test_evaluator = val_evaluator
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type='AutocastValLoop', dtype='auto')
test_cfg = dict(type='AutocastTestLoop', dtype='auto')
optim_wrapper = dict(
    type='AutocastOptimWrapper',
    dtype='auto',  # bfloat16 where the device computes it natively, else float32
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters, eta_min_ratio=0.01),
]
default_hooks = dict(checkpoint=dict(interval=max_iters, save_best=None, max_keep_ckpts=1))
